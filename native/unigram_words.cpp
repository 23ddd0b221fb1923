#include "unigram_words.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "scripts.hpp"
#include "threads.hpp"
#include "utf8.hpp"

namespace idiolect {
namespace {

constexpr std::string_view kMark = "\xE2\x96\x81";     // ▁
constexpr std::string_view kUnknown = "\xE2\x96\x85";  // ▅, which SentencePiece keeps for itself

std::uint64_t hash_of(std::string_view key) {
  std::uint64_t hash = 0x9E3779B97F4A7C15 ^ key.size();
  auto mix = [&hash](std::uint64_t bytes) {
    hash = (hash ^ bytes) * 0xD6E8FEB86659FD93;
    hash ^= hash >> 32;
  };
  const char* at = key.data();
  std::size_t left = key.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, at, 8);
    mix(bytes);
  }
  std::uint64_t bytes = 0;
  if (left > 0) std::memcpy(&bytes, at, left);
  mix(bytes);
  return hash * 0xD6E8FEB86659FD93;
}

/// A sentence as it is cut: spaces are the marks here, and a mark that stands in the text itself is one more. NUL, which no
/// piece may have, is unknown.
std::string_view written(std::string_view sentence, std::string& scratch) {
  if (sentence.find(kMark) == sentence.npos && sentence.find('\0') == sentence.npos) return sentence;
  scratch.clear();
  for (std::size_t at = 0; at < sentence.size(); ++at) {
    if (sentence.substr(at, kMark.size()) == kMark) {
      scratch += ' ';
      at += kMark.size() - 1;
    } else if (sentence[at] == '\0') {
      scratch += kUnknown;
    } else {
      scratch += sentence[at];
    }
  }
  return scratch;
}

/// Whether there is nothing but spaces.
bool is_blank(std::string_view sentence) {
  while (sentence.starts_with(' ') || sentence.starts_with(kMark)) sentence.remove_prefix(sentence[0] == ' ' ? 1 : kMark.size());
  return sentence.empty();
}

}  // namespace

StringCounts::StringCounts() : slots_(1 << 10) {}

void StringCounts::add(std::string_view key, std::int64_t count) {
  if (key.size() > 0xFFFFFFFF) throw std::invalid_argument("A word is longer than 4 GiB.");
  const auto hash = static_cast<std::uint32_t>(hash_of(key) >> 32);
  for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    Slot& slot = slots_[at];
    if (slot.count == 0) {
      slot = {arena_.size(), count, static_cast<std::uint32_t>(key.size()), hash};
      arena_ += key;
      if (++used_ * 2 > slots_.size()) grow();
      return;
    }
    if (slot.hash == hash && slot.length == key.size() &&
        std::memcmp(arena_.data() + slot.offset, key.data(), key.size()) == 0) {
      slot.count += count;
      return;
    }
  }
}

void StringCounts::grow() {
  if (slots_.size() >= std::size_t{1} << 32) throw std::invalid_argument("There are more than 2^31 different words.");
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.count == 0) continue;
    std::size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].count != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

UnigramWords::UnigramWords(WordCounting options, std::size_t threads)
    : options_(options), threads_(thread_count(threads)) {
  // What follows the last word of a sentence is the mark of the next, or lies in a text that another thread may read.
  if (options_.ends && !options_.prefix_space) threads_ = 1;
  tables_.resize(threads_);
}

void UnigramWords::add(std::span<const std::string_view> texts) {
  if (options_.ends && options_.collapse_spaces && options_.prefix_space) follow_blank(texts);
  std::size_t bytes = 0;
  for (std::string_view text : texts) bytes += text.size();
  if (threads_ == 1 || bytes < (1 << 16)) {
    for (std::string_view one : texts) text(tables_[0], one, ++texts_);
    return;
  }
  std::vector<std::string_view> pieces;  // of similar size, each a whole number of sentences where that can be
  const std::size_t size = bytes / (4 * threads_) + 1;
  for (std::string_view one : texts) {
    while (options_.lines && one.size() > size) {
      const std::size_t end = one.find('\n', size);
      if (end == one.npos) break;
      pieces.push_back(one.substr(0, end));
      one.remove_prefix(end + 1);
    }
    pieces.push_back(one);
  }
  parallel_for(pieces.size(), threads_, [&](std::size_t piece, std::size_t thread) {
    text(tables_[thread], pieces[piece], texts_ + piece + 1);
  });
  texts_ += pieces.size();
}

template <class Use>
void UnigramWords::each_sentence(std::string_view text, Use&& use) const {
  while (!text.empty()) {
    const std::size_t end = options_.lines ? std::min(text.find('\n'), text.size()) : text.size();
    if (end > 0) use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool UnigramWords::is_taken(std::string_view sentence) const {
  return (options_.longest_sentence == 0 || sentence.size() <= options_.longest_sentence) &&
         sentence.find(kUnknown) == sentence.npos;
}

void UnigramWords::follow_blank(std::span<const std::string_view> texts) {
  if (blank_ == 0) {
    bool any = false;
    for (std::string_view text : texts) each_sentence(text, [&any](std::string_view one) { any = any || is_blank(one); });
    if (!any) return;
    const Table* latest = nullptr;
    for (const Table& table : tables_)
      if (!table.pending.empty() && (!latest || table.latest > latest->latest)) latest = &table;
    if (latest) last_words_.push_back(latest->pending);
  }
  std::string scratch;
  auto follow = [&](std::string_view sentence) {
    if (!is_taken(sentence)) return;
    if (is_blank(sentence)) {
      ++blank_;
      last_words_.emplace_back();
    } else {
      sentence = written(sentence, scratch);
      while (sentence.ends_with(' ')) sentence.remove_suffix(1);
      last_words_.push_back(' ' + std::string(sentence.substr(sentence.rfind(' ') + 1)));  // npos + 1 is 0
    }
    while (last_words_.size() > blank_ + 1) last_words_.pop_front();
  };
  for (std::string_view text : texts) each_sentence(text, follow);
}

void UnigramWords::text(Table& table, std::string_view text, std::uint64_t number) const {
  const auto before = table.sentences;
  each_sentence(text, [&](std::string_view sentence) { one(table, sentence); });
  if (table.sentences > before) table.latest = number;
}

void UnigramWords::one(Table& table, std::string_view sentence) const {
  if (!is_taken(sentence)) {
    ++table.left_out;
    return;
  }
  sentence = written(sentence, table.sentence);
  if (options_.collapse_spaces) {
    while (sentence.starts_with(' ')) sentence.remove_prefix(1);
    while (sentence.ends_with(' ')) sentence.remove_suffix(1);
    if (sentence.empty()) return;
  }
  ++table.sentences;
  if (options_.ends && !table.pending.empty()) {
    const std::size_t first = decode(sentence.data(), sentence.data() + sentence.size()).bytes;
    table.pending += '\0';
    table.pending += options_.prefix_space ? std::string_view(" ") : sentence.substr(0, first);
    table.counts.add(table.pending, 1);
    table.pending.clear();
  }
  const char* at = sentence.data();
  const char* const end = at + sentence.size();
  auto word_end = [end](const char* from) {
    const void* space = from < end ? std::memchr(from, ' ', static_cast<std::size_t>(end - from)) : nullptr;
    return space ? static_cast<const char*>(space) : end;
  };
  {  // the first word has no space before it in the text, unless it begins with one
    const char* next = word_end(at);
    if (options_.prefix_space) {
      table.scratch.assign(1, ' ');
      table.scratch.append(at, next);
      word(table, table.scratch, next == end);
    } else if (next > at) {
      word(table, {at, next}, next == end);
    }
    at = next;
  }
  while (at < end) {  // at a space
    if (options_.collapse_spaces)
      while (at + 1 < end && at[1] == ' ') ++at;
    const char* next = word_end(at + 1);
    word(table, {at, next}, next == end);
    at = next;
  }
}

void UnigramWords::word(Table& table, std::string_view word, bool last) const {
  if (options_.ends && last) {
    table.pending = word;
  } else if (options_.cut_scripts) {
    cut(table, word);
  } else {
    table.counts.add(word, 1);
  }
}

void UnigramWords::cut(Table& table, std::string_view word) const {
  constexpr int kAny = -1, kNewline = -2, kNever = -3;
  const char* const end = word.data() + word.size();
  const char* start = word.data();
  int before = kAny;
  for (const char* at = start; at < end;) {
    const auto byte = static_cast<unsigned char>(*at);
    int script;
    std::size_t bytes = 1;
    if (byte < 0x80) {
      const bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
      static const int latin = script_of('a');
      script = letter ? latin : byte == ' ' ? kAny : byte == 0x1F ? kNever : byte == '\n' || byte == '\r' ? kNewline : int{kCommonScript};
    } else {
      const Character character = decode(at, end);
      bytes = character.bytes;
      script = character.code == 0x2585 ? kNever : int{script_of(character.code)};
      if (script == kInheritedScript) script = before;
    }
    if (before != kAny && script != kAny && before != script) {
      if (before != kNever) table.counts.add({start, at}, 1);
      start = at;
    }
    before = script;
    at += bytes;
  }
  if (before != kNever && start < end) table.counts.add({start, end}, 1);
}

std::vector<std::pair<std::string, std::int64_t>> UnigramWords::counts() const {
  StringCounts all = tables_[0].counts;
  for (const Table& table : tables_) {
    if (&table != &tables_[0]) table.counts.each([&all](std::string_view key, std::int64_t count) { all.add(key, count); });
    if (table.pending.empty()) continue;
    const bool ends_all = std::all_of(tables_.begin(), tables_.end(), [&table](const Table& one) {
      return one.pending.empty() || one.latest <= table.latest;
    });
    std::string key = table.pending + '\0';
    if (!ends_all || blank_ > 0) key += ' ';
    all.add(key, 1);
  }
  std::vector<std::pair<std::string, std::int64_t>> result;
  result.reserve(all.size() + 1);
  std::string last;
  for (const std::string& word : last_words_)
    if (last.empty()) last = word;
  if (!last.empty()) all.add(last += '\0', 1);
  all.each([&](std::string_view key, std::int64_t count) {
    if (!last.empty() && key.starts_with(last) && key.size() == last.size() + 1 && --count == 0) return;
    std::string written;
    for (char byte : key) byte == ' ' ? written += kMark : written += byte;
    result.emplace_back(std::move(written), count);
  });
  return result;
}

std::int64_t UnigramWords::sentences() const {
  std::int64_t sum = 0;
  for (const Table& table : tables_) sum += table.sentences;
  return sum;
}

std::int64_t UnigramWords::left_out() const {
  std::int64_t sum = 0;
  for (const Table& table : tables_) sum += table.left_out;
  return sum;
}

}  // namespace idiolect
