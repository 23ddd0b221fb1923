#include "unigram_encode.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "threads.hpp"
#include "unigram_lattice.hpp"

namespace idiolect {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";
constexpr std::uint32_t kNowhere = 0xFFFFFFFF;
constexpr float kScoreReset = 100000.0f;  // SentencePiece starts again from 0 beyond this

/// Signs, digits and controls of ASCII: what no piece of most vocabularies has beside a letter.
bool is_sign(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return code < 0x80 && !((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
}

/// The next space, or `end`: eight bytes at a time.
const char* find_space(const char* at, const char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr std::uint64_t ones = 0x0101010101010101, spaces = ones * ' ';
    for (; end - at >= 8; at += 8) {
      std::uint64_t bytes;
      std::memcpy(&bytes, at, 8);
      bytes ^= spaces;
      if (const std::uint64_t zero = (bytes - ones) & ~bytes & (ones * 0x80)) return at + std::countr_zero(zero) / 8;
    }
  }
  while (at < end && *at != ' ') ++at;
  return at;
}

std::string with_spaces(std::string_view text) {
  std::string written;
  written.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const bool mark = text.substr(at, kSpaceMark.size()) == kSpaceMark;
    written += mark ? ' ' : text[at];
    at += mark ? kSpaceMark.size() : 1;
  }
  return written;
}

}  // namespace

UnigramEncoder::UnigramEncoder(UnigramSettings settings) : settings_(std::move(settings)), spaces_are_marks_(settings_.mark) {
  const std::size_t size = settings_.pieces.size();
  if (settings_.scores.size() != size || settings_.kinds.size() != size)
    throw std::invalid_argument("There must be as many scores and kinds as pieces.");
  if (size >= kDropped) throw std::invalid_argument("There are too many pieces.");
  if (!settings_.byte_ids.empty() && settings_.byte_ids.size() != 256)
    throw std::invalid_argument("There are " + std::to_string(settings_.byte_ids.size()) + " byte pieces, not 256.");
  for (std::uint32_t id : settings_.byte_ids)
    if (id >= size) throw std::invalid_argument("A byte has id " + std::to_string(id) + ", which is not there.");

  is_user_defined_.resize(size);
  std::vector<std::pair<std::string, std::uint32_t>> sorted;
  float least = std::numeric_limits<float>::max();
  bool has_unknown = false;
  for (std::uint32_t id = 0; id < size; ++id) {
    const PieceKind kind = settings_.kinds[id];
    const float score = settings_.scores[id];
    if (kind == PieceKind::unknown) {
      if (has_unknown) throw std::invalid_argument("There are two unknown pieces.");
      has_unknown = true;
      unknown_ = id;
    }
    if (kind != PieceKind::normal && kind != PieceKind::user_defined) continue;
    const std::string& piece = settings_.pieces[id];
    if (piece.empty()) throw std::invalid_argument("Piece " + std::to_string(id) + " is empty.");
    if (!std::isfinite(score)) throw std::invalid_argument("The score of piece " + std::to_string(id) + " is not a number.");
    is_user_defined_[id] = kind == PieceKind::user_defined;
    if (kind == PieceKind::normal) least = std::min(least, score);
    if (kind == PieceKind::user_defined) settings_.scores[id] = user_defined_score(piece.size());
    most_score_ = std::max(most_score_, std::abs(settings_.scores[id]));
    if (spaces_are_marks_ && piece.find(' ') != piece.npos) continue;  // no marked text has a space
    sorted.emplace_back(spaces_are_marks_ ? with_spaces(piece) : piece, id);
  }
  if (!has_unknown) throw std::invalid_argument("There is no unknown piece.");
  unknown_score_ = (least == std::numeric_limits<float>::max() ? 0.0f : least) - kUnknownPenalty;
  most_score_ = std::max(most_score_, std::abs(unknown_score_));
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string_view> keys;
  cuts_at_spaces_ = cuts_at_signs_ = true;
  for (const auto& [piece, id] : sorted) {
    if (!keys.empty() && keys.back() == piece) throw std::invalid_argument("Piece " + std::to_string(id) + " stands twice.");
    keys.push_back(piece);
    ids_.push_back(id);
    for (std::size_t at = 1; at < piece.size(); ++at) {
      cuts_at_spaces_ = cuts_at_spaces_ && piece[at] != ' ';
      cuts_at_signs_ = cuts_at_signs_ && (piece[at - 1] == ' ' || is_sign(piece[at - 1]) == is_sign(piece[at]));
    }
  }
  trie_ = Trie(keys);
}

std::string UnigramEncoder::prepare(std::string_view given) const {
  std::string text = spaces_are_marks_ ? with_spaces(given) : std::string(given);
  if (settings_.collapse_spaces) {
    // Marks of the text itself are kept where they stand, but for those at the end.
    std::string kept;
    for (std::size_t at = 0, read = 0; read < given.size(); ++at) {
      const bool space = given[read] == ' ';
      if (!space || (!kept.empty() && given[read - 1] != ' ')) kept += text[at];
      read += spaces_are_marks_ && given.substr(read, kSpaceMark.size()) == kSpaceMark ? kSpaceMark.size() : 1;
    }
    while (kept.ends_with(' ')) kept.pop_back();
    text = std::move(kept);
  }
  return text.empty() || !settings_.prefix_space ? text : " " + text;
}

Encoded UnigramEncoder::encode(std::span<const std::string_view> texts, std::size_t threads) const {
  constexpr std::size_t kPiece = 1 << 17;  // bytes of whole texts that are done together
  std::vector<std::size_t> firsts{0};
  std::size_t bytes = 0, in_piece = 0;
  for (std::size_t n = 0; n < texts.size(); ++n) {
    bytes += texts[n].size();
    if ((in_piece += texts[n].size() + 16) >= kPiece && n + 1 < texts.size()) {
      firsts.push_back(n + 1);
      in_piece = 0;
    }
  }
  firsts.push_back(texts.size());
  threads = std::min(thread_count(threads), firsts.size() - 1);
  std::vector<std::unique_ptr<Workspace>> work(threads);
  Encoded encoded;
  encoded.starts.reserve(texts.size() + 1);
  OrderedIds ordered(bytes / 4 + 16, encoded.starts);
  parallel_for(firsts.size() - 1, threads, [&](std::size_t number, std::size_t thread) {
    if (!work[thread]) work[thread] = take();
    Workspace& mine = *work[thread];
    mine.ids.clear();
    std::vector<std::uint32_t> starts;
    for (std::size_t n = firsts[number]; n < firsts[number + 1]; ++n) {
      starts.push_back(static_cast<std::uint32_t>(mine.ids.size()));
      encode_one(texts[n], mine);
    }
    mine.ids = ordered.add(number, std::move(mine.ids), std::move(starts));
  });
  for (auto& one : work)
    if (one) give(std::move(one));
  encoded.ids = ordered.take();
  encoded.starts.push_back(static_cast<std::int64_t>(encoded.ids.size()));
  return encoded;
}

void UnigramEncoder::encode_one(std::string_view text, Workspace& space) const {
  if (text.empty()) return;
  if (!cuts_at_spaces_ || (spaces_are_marks_ && text.find(kSpaceMark) != text.npos)) {
    std::string prepared = prepare(text);
    std::swap(space.text, prepared);
    if (space.text.empty()) return;
    if (cuts_at_spaces_) return encode_words(space.text, false, space);
    Position position{0.0f, false};
    segment<false>(space.text, position, space);
    return;
  }
  if (settings_.collapse_spaces) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    if (text.empty()) return;
  }
  if (settings_.prefix_space) {
    space.text.assign(1, ' ');
    space.text += text;
    text = space.text;
  }
  encode_words(text, settings_.collapse_spaces, space);
}

void UnigramEncoder::encode_words(std::string_view text, bool collapse, Workspace& space) const {
  const char* at = text.data();
  const char* const end = at + text.size();
  Position position{0.0f, false};
  // A few words at a time: while the later ones are read, the cache lines of the earlier ones arrive.
  constexpr std::size_t kAhead = 32;
  struct Waiting {
    std::string_view word;
    WordKey key;
    std::uint64_t hash;
  } waiting[kAhead];
  while (at < end) {
    std::size_t words = 0, bytes = 0;
    while (at < end && words < kAhead) {
      if (collapse)
        while (*at == ' ' && at + 1 < end && at[1] == ' ') ++at;
      const char* const next = find_space(at + 1, end);
      Waiting& one = waiting[words++];
      one.word = {at, static_cast<std::size_t>(next - at)};
      bytes += one.word.size();
      at = next;
      if (one.word.size() > WordKey::kLongest) continue;
      one.key = WordKey::of(one.word, end - one.word.data() >= 16);
      one.hash = one.key.hash();
      space.cache.prefetch(one.hash);
    }
    space.ids.reserve(space.ids.size() + 3 * bytes + WordCache::kInline);
    for (std::size_t n = 0; n < words; ++n) {
      const auto& [word, key, hash] = waiting[n];
      if (word.size() > WordKey::kLongest || write_known(key, hash, position, space) == 0)
        encode_word(word, end, position, space);
    }
  }
}

/// Takes a word from the cache, if it is there and sure, and gives the limit up to which it is; 0 where not.
float UnigramEncoder::write_known(const WordKey& key, std::uint64_t hash, Position& position, Workspace& space) const {
  std::uint32_t* const out = space.ids.end();
  const std::size_t found = space.cache.find(key, hash, out);
  if (!found) return 0;
  const std::size_t count = found - 1;
  const float limit = std::bit_cast<float>(out[count]);
  if (!(std::abs(position.score) < limit)) return 0;
  for (std::size_t n = 0; n < count; ++n) position.score += settings_.scores[out[n]];
  space.ids.resize(space.ids.size() + count);
  position.unknown_before = false;
  return limit;
}

/// A word that is not in the cache: by its parts between letters and signs, of which most are.
void UnigramEncoder::encode_word(std::string_view word, const char* readable_to, Position& position, Workspace& space) const {
  const std::size_t first = space.ids.size();
  float limit = kScoreReset;
  std::size_t parts = 0;
  for (std::size_t start = 0; start < word.size(); ++parts) {
    std::size_t stop = word.size();
    if (cuts_at_signs_) {
      const bool signs = is_sign(word[start]);
      for (stop = start + 1; stop < word.size() && (word[stop - 1] == ' ' || is_sign(word[stop]) == (start == 0 && word[0] == ' ' ? is_sign(word[1]) : signs));) ++stop;
    }
    const std::string_view part = word.substr(start, stop - start);
    start = stop;
    float own = 0;
    if (part.size() > WordKey::kLongest) {
      segment<false>(part, position, space);
    } else {
      const WordKey key = WordKey::of(part, readable_to - part.data() >= 16);
      const std::uint64_t hash = key.hash();
      if (part.size() < word.size()) own = write_known(key, hash, position, space);
      if (own == 0) own = remember(part, segment<true>(part, position, space), key, hash, space);
    }
    limit = std::min(limit, own);
  }
  // The whole, next time: the parts do not depend on each other, so it is as sure as the least sure of them.
  limit -= static_cast<float>(word.size()) * most_score_;
  if (parts < 2 || !(limit > 0) || word.size() > WordKey::kLongest) return;
  const WordKey key = WordKey::of(word, readable_to - word.data() >= 16);
  keep({space.ids.data() + first, space.ids.size() - first}, limit, key, key.hash(), space);
}

/// Viterbi in float32 over a stretch that begins where `position` is; writes its ids. With `Measure`, gives how far the sum
/// of the best segmentation lies above the second best's, in doubles (0 where the floats have chosen another).
template <bool Measure>
double UnigramEncoder::segment(std::string_view text, Position& position, Workspace& space) const {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  std::vector<Node>& nodes = space.nodes;
  nodes.assign(text.size() + 1, {0.0f, kNowhere, 0, 0.0, kNever, kNever});
  nodes[0].score = position.score;
  nodes[0].best = 0.0;
  const char* const begin = text.data();
  std::size_t frontier = 0;
  for (std::size_t start = 0; start < text.size();) {
    float here = nodes[start].score;
    if (here < -kScoreReset || here > kScoreReset) {
      for (std::size_t at = start; at <= frontier; ++at)
        if (at == start || nodes[at].start != kNowhere) nodes[at].score -= here;
      here = 0.0f;
    }
    const Node from = nodes[start];
    auto reach = [&](std::size_t end, float score, std::uint32_t id) {
      Node& node = nodes[end];
      frontier = std::max(frontier, end);
      if (const float candidate = score + here; node.start == kNowhere || candidate > node.score) {
        node.score = candidate;
        node.start = static_cast<std::uint32_t>(start);
        node.id = id;
        if constexpr (Measure) node.sum = from.sum + double{score};
      }
      if constexpr (Measure) {
        const double best = from.best + double{score}, second = from.second + double{score};
        node.second = std::max({std::min(node.best, best), node.second, second});
        node.best = std::max(node.best, best);
      }
    };
    const std::size_t character = std::min(character_length(begin[start]), text.size() - start);
    bool single = false;
    std::uint32_t node = Trie::kRoot;
    for (std::size_t at = start; at < text.size();) {
      node = trie_.child(node, static_cast<unsigned char>(begin[at++]));
      if (node == Trie::kNone) break;
      const std::uint32_t key = trie_.value(node);
      if (key == Trie::kNone) continue;
      reach(at, settings_.scores[ids_[key]], ids_[key]);
      single = single || at - start == character;
    }
    if (!single) reach(start + character, unknown_score_, unknown_);
    start += character;
  }
  space.path.clear();
  for (std::size_t at = text.size(); at > 0; at = nodes[at].start)
    space.path.emplace_back(nodes[at].id, static_cast<std::uint32_t>(at));
  space.ids.reserve(space.ids.size() + 3 * text.size() + WordCache::kInline);
  std::uint32_t* out = space.ids.end();
  std::size_t start = 0;
  for (std::size_t n = space.path.size(); n-- > 0;) {
    const auto [id, stop] = space.path[n];
    write(id, text.substr(start, stop - start), position.unknown_before, [&out](std::uint32_t written) { *out++ = written; });
    start = stop;
  }
  space.ids.resize(static_cast<std::size_t>(out - space.ids.data()));
  const Node& last = nodes[text.size()];
  position.score = last.score;
  return last.sum < last.best ? 0.0 : last.sum - last.second;
}

/// Keeps the segmentation just found (space.path), with the score up to which no rounding can change it.
///
/// A sum of n float32 numbers is off by at most n half units in the last place of its largest partial sum M, a unit being at
/// most M 2^-23. So the best segmentation stays the best while its lead over the second is more than twice that for M the
/// text's score and all that the word can add; the bound below is half of what this allows.
float UnigramEncoder::remember(std::string_view word, double lead, const WordKey& key, std::uint64_t hash,
                               Workspace& space) const {
  std::uint32_t ids[WordKey::kLongest];
  std::size_t count = 0;
  for (std::size_t n = space.path.size(); n-- > 0;) {
    if (space.path[n].first == unknown_) return 0;
    ids[count++] = space.path[n].first;
  }
  const double length = static_cast<double>(word.size()), own = (length + 1) * most_score_;
  const auto limit = static_cast<float>(std::min(lead / (length + 1) * 0x1p22 - own, double{kScoreReset} - own));
  if (!(limit > 0)) return 0;
  keep({ids, count}, limit, key, hash, space);
  return limit;
}

/// Puts a word into the cache, unless it is there and only was not sure enough.
void UnigramEncoder::keep(std::span<const std::uint32_t> ids, float limit, const WordKey& key, std::uint64_t hash,
                          Workspace& space) {
  std::uint32_t entry[WordKey::kLongest + 1];
  if (space.cache.find(key, hash, entry)) return;
  *std::copy(ids.begin(), ids.end(), entry) = std::bit_cast<std::uint32_t>(limit);
  space.cache.keep(key, hash, {entry, ids.size() + 1});
}

std::unique_ptr<UnigramEncoder::Workspace> UnigramEncoder::take() const {
  {
    std::lock_guard lock(guard_);
    if (!spare_.empty()) {
      auto space = std::move(spare_.back());
      spare_.pop_back();
      return space;
    }
  }
  return std::make_unique<Workspace>();
}

void UnigramEncoder::give(std::unique_ptr<Workspace> space) const {
  std::lock_guard lock(guard_);
  spare_.push_back(std::move(space));
}

}  // namespace idiolect
