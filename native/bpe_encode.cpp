#include "bpe_encode.hpp"

#include <stdexcept>
#include <string>

#include "text_cuts.hpp"
#include "threads.hpp"

namespace idiolect {

Encoded BpeEncoder::encode(std::span<const std::string_view> texts, std::size_t threads, bool check) const {
  std::size_t bytes = 0;
  for (std::string_view text : texts) bytes += text.size();
  const std::vector<Piece> pieces = cut(texts);
  threads = std::min(thread_count(threads), std::max<std::size_t>(pieces.size(), 1));
  std::vector<std::unique_ptr<Workspace>> work(threads);
  Encoded encoded;
  encoded.starts.reserve(texts.size() + 1);
  OrderedIds ordered(bytes / 4 + 16, encoded.starts);
  parallel_for(pieces.size(), threads, [&](std::size_t number, std::size_t thread) {
    if (!work[thread]) work[thread] = borrow();
    Workspace& mine = *work[thread];
    const Piece& piece = pieces[number];
    std::vector<std::uint32_t> starts;
    mine.ids.clear();
    for (std::size_t n = piece.text; n < piece.text + piece.texts; ++n) {
      const std::size_t begin = n == piece.text ? piece.begin : 0;
      const std::string_view text = texts[n].substr(begin, piece.texts == 1 ? piece.end - begin : texts[n].npos);
      if (const std::size_t fault = check ? first_fault(text) : text.npos; fault != text.npos)
        throw std::invalid_argument("Text " + std::to_string(n) + " is not UTF-8 at byte " +
                                    std::to_string(begin + fault) + ".");
      if (begin == 0) starts.push_back(static_cast<std::uint32_t>(mine.ids.size()));
      encode_piece(text, mine);
    }
    mine.ids = ordered.add(number, std::move(mine.ids), std::move(starts));
  });
  for (auto& one : work)
    if (one) give_back(std::move(one));
  encoded.ids = ordered.take();
  encoded.starts.push_back(static_cast<std::int64_t>(encoded.ids.size()));
  return encoded;
}

Ids BpeEncoder::encode_text(std::string_view text) const {
  if (text.size() > kPiece) return encode({&text, 1}, 0, false).ids;
  std::unique_ptr<Workspace> work = borrow();
  work->ids.clear();
  encode_piece(text, *work);
  Ids ids = std::move(work->ids);
  give_back(std::move(work));
  return ids;
}

/// The work in pieces, in the order of the texts: each text in one piece or in several that follow each other.
std::vector<BpeEncoder::Piece> BpeEncoder::cut(std::span<const std::string_view> texts) const {
  std::vector<Piece> pieces;
  constexpr std::size_t full = kPiece + 1;
  std::size_t gathered = full;  // bytes in the last piece, to which short texts may be added
  for (std::size_t n = 0; n < texts.size(); ++n) {
    const std::string_view text = texts[n];
    if (text.size() <= kPiece) {
      if (gathered + text.size() > kPiece) {
        pieces.push_back({n, 0, 0, 0});
        gathered = 0;
      }
      Piece& last = pieces.back();
      ++last.texts;
      last.end = text.size();
      gathered += text.size() + 1;
      continue;
    }
    for (std::size_t begin = 0; begin < text.size();) {
      std::size_t end = text.size();
      if (end - begin > kPiece)
        end = next_cut(model_.settings().pattern, model_.cuts_before_marks(), text, begin + kPiece);
      pieces.push_back({n, 1, begin, end});
      begin = end;
    }
    gathered = full;
  }
  return pieces;
}

template <class Emit>
void BpeEncoder::each_word(std::string_view text, Emit&& emit) const {
  if (model_.settings().pattern != Pattern::none || !model_.cuts_before_marks())
    return split(model_.settings().pattern, text, emit);
  while (!text.empty()) {  // no piece crosses a space mark, so the text is as good as cut there
    const std::size_t end = next_mark(text, 1);
    emit(text.substr(0, end));
    text.remove_prefix(end);
  }
}

/// Appends the ids of a text. Words are gathered by the dozen and then looked up together, so that the lines of the cache
/// they need are on their way before the first is compared.
void BpeEncoder::encode_piece(std::string_view text, Workspace& work) const {
  std::string_view words[kBatch];
  std::size_t count = 0;
  const char* const end = text.data() + text.size();
  each_word(text, [&](std::string_view word) {
    words[count++] = word;
    if (count == kBatch) {
      encode_words(words, count, end, work);
      count = 0;
    }
  });
  encode_words(words, count, end, work);
}

/// Appends the ids of words of a text, which may be read up to `end`.
void BpeEncoder::encode_words(const std::string_view* words, std::size_t count, const char* end, Workspace& work) const {
  WordKey keys[kBatch];
  std::uint64_t hashes[kBatch];
  std::size_t bytes = 0;
  for (std::size_t n = 0; n < count; ++n) {
    const std::string_view word = words[n];
    bytes += word.size();
    if (word.size() > WordKey::kLongest) continue;
    keys[n] = WordKey::of(word, end - word.data() >= 16);
    hashes[n] = keys[n].hash();
    work.cache.prefetch(hashes[n]);
  }
  work.ids.reserve(work.ids.size() + bytes + WordCache::kInline);
  std::uint32_t* out = work.ids.end();
  for (std::size_t n = 0; n < count; ++n) {
    const std::string_view word = words[n];
    if (word.size() <= WordKey::kLongest) {
      if (const std::size_t found = work.cache.find(keys[n], hashes[n], out)) {
        out += found;
      } else {
        const auto ids = merge(word, work);
        work.cache.keep(keys[n], hashes[n], ids);
        out = std::copy(ids.begin(), ids.end(), out);
      }
    } else {
      auto ids = word.size() <= WordCache::kLongest ? work.cache.find_long(word) : std::span<const std::uint32_t>();
      if (ids.empty()) {
        ids = merge(word, work);
        if (word.size() <= WordCache::kLongest) work.cache.keep_long(word, ids);
      }
      out = std::copy(ids.begin(), ids.end(), out);
    }
  }
  work.ids.resize(static_cast<std::size_t>(out - work.ids.data()));
}

/// The ids of a word that is not in the cache, until the next call.
std::span<const std::uint32_t> BpeEncoder::merge(std::string_view word, Workspace& work) const {
  work.space.shrink();
  work.merged.clear();
  model_.encode(word, work.space, work.merged);
  return work.merged;
}

std::vector<std::uint32_t> BpeEncoder::sample(std::string_view text, double dropout, std::uint64_t seed) const {
  std::vector<std::uint32_t> ids;
  MergeSpace space;
  Chance chance(seed);
  each_word(text, [&](std::string_view word) { model_.sample(word, dropout, chance, space, ids); });
  return ids;
}

std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> BpeEncoder::encode_lengths(
    std::string_view text) const {
  std::vector<std::uint32_t> ids, lengths;
  MergeSpace space;
  each_word(text, [&](std::string_view word) {
    const std::size_t first = ids.size();
    model_.encode(word, space, ids);
    model_.lengths(word, ids.data() + first, ids.size() - first, lengths);
  });
  return {std::move(ids), std::move(lengths)};
}

std::unique_ptr<BpeEncoder::Workspace> BpeEncoder::borrow() const {
  {
    std::lock_guard lock(guard_);
    if (!idle_.empty()) {
      auto work = std::move(idle_.back());
      idle_.pop_back();
      return work;
    }
  }
  return std::make_unique<Workspace>();
}

void BpeEncoder::give_back(std::unique_ptr<Workspace> work) const {
  if (work->ids.capacity() > 16 * kPiece) work->ids = Ids();  // what an unusually long word needed
  std::lock_guard lock(guard_);
  idle_.push_back(std::move(work));
}

}  // namespace idiolect
