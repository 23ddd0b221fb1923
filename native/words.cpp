#include "words.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "threads.hpp"

namespace idiolect {
namespace {

static_assert(std::endian::native == std::endian::little, "an entry's word is read from the bytes of its numbers");

constexpr std::size_t INLINE = 15;          // bytes of a word that lies in its entry
constexpr std::size_t PIECE = 1 << 16;      // bytes of text that a thread takes at a time, in whole texts
constexpr std::size_t LEAST_MEMORY = 1 << 20;
constexpr std::uint64_t LONG = std::uint64_t{0xFF} << 56;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
#ifdef __SIZEOF_INT128__
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
  a = (a ^ a >> 32) * (b | 1);
  return a ^ a >> 29;
#endif
}

/// A word as a table compares it. Up to 15 bytes: the bytes themselves and the length. Longer: two hashes, the second
/// with the top byte that no length has.
struct Key {
  std::uint64_t low = 0, high = 0;

  std::uint64_t hash() const { return mix(low ^ 0xA0761D6478BD642Fu, high ^ 0xE7037ED1A0B428DBu); }
  bool is_long() const { return high >= LONG; }
  friend bool operator==(const Key&, const Key&) = default;
};

std::uint64_t load(const char* at, std::size_t bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, bytes);
  return value;
}

Key long_key(std::string_view word) {
  std::uint64_t one = word.size(), other = ~one;
  std::size_t at = 0;
  for (; at + 16 <= word.size(); at += 16) {
    const std::uint64_t first = load(word.data() + at, 8), second = load(word.data() + at + 8, 8);
    one = mix(one ^ first, second ^ 0x8EBC6AF09C88C6E3u);
    other = mix(other ^ second, first ^ 0x589965CC75374CC3u);
  }
  const std::uint64_t first = load(word.data() + word.size() - 16, 8), second = load(word.data() + word.size() - 8, 8);
  one = mix(one ^ first, second ^ 0x1D8E4E27C47D124Fu);
  other = mix(other ^ second, first ^ 0xEB44ACCAB455D165u);
  return {one, other | LONG};
}

/// `end` is where the text ends, up to which bytes may be read beyond the word.
Key key_of(std::string_view word, const char* end) {
  const std::size_t size = word.size();
  if (size > INLINE) return long_key(word);
  const char* at = word.data();
  if (end - at >= 16) {
    const std::uint64_t low = load(at, 8), high = load(at + 8, 8);
    const std::uint64_t length = std::uint64_t{size} << 56;
    if (size < 8) return {low & ((std::uint64_t{1} << 8 * size) - 1), length};
    return {low, (high & ((std::uint64_t{1} << 8 * (size - 8)) - 1)) | length};
  }
  const std::size_t head = std::min<std::size_t>(size, 8);
  return {load(at, head), load(at + head, size - head) | std::uint64_t{size} << 56};
}

template <class Emit>
void between_spaces(std::string_view text, Emit&& emit) {
  auto is_space = [](char byte) { return byte == ' ' || byte == '\n'; };
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    const char* start = at;
    while (at < end && !is_space(*at)) ++at;
    if (at > start) emit(std::string_view(start, static_cast<std::size_t>(at - start)));
    ++at;
  }
}

}  // namespace

/// The words that one thread has counted.
class WordCounter::Table {
 public:
  struct Entry {
    Key key;                  // of a long word: `low` is its hash, `high` LONG and where it lies in the arena
    std::int64_t count = 0;   // 0: free, or a word counted elsewhere that never occurred
    std::uint64_t first = 0;  // position of its first occurrence, + 1; 0: free
  };

  Table() : entries_(1 << 12) {}

  void add(const Key& key, std::uint64_t hash, std::string_view word, std::int64_t count, std::uint64_t first) {
    for (std::size_t i = hash;; ++i) {
      Entry& entry = entries_[i & (entries_.size() - 1)];
      if (entry.first == 0) {
        entry = {key.is_long() ? stored(key, word) : key, count, first};
        if (++size_ * 2 > entries_.size()) resize(entries_.size() * 2);
        return;
      }
      if (key.is_long() ? is_word(entry, key, word) : entry.key == key) {
        if (__builtin_add_overflow(entry.count, count, &entry.count)) {
          throw std::invalid_argument("A word's count does not fit 63 bits.");
        }
        entry.first = std::min(entry.first, first);
        return;
      }
    }
  }

  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&entries_[hash & (entries_.size() - 1)], 1); }

  /// The bytes of an entry's word; those of a short one are in the entry itself.
  std::string_view word(const Entry& entry) const {
    if (entry.key.is_long()) {
      const std::uint64_t at = entry.key.high & ~LONG;
      return std::string_view(arena_).substr(at + 8, load(arena_.data() + at, 8));
    }
    return {reinterpret_cast<const char*>(&entry.key), static_cast<std::size_t>(entry.key.high >> 56)};
  }

  template <class Visit>
  void each(Visit&& visit) const {
    for (const Entry& entry : entries_) {
      if (entry.first != 0) visit(entry);
    }
  }

  void take(const Table& other) {
    other.each([&](const Entry& entry) {
      const std::string_view word = other.word(entry);
      const Key key = entry.key.is_long() ? long_key(word) : entry.key;
      add(key, key.hash(), word, entry.count, entry.first);
    });
  }

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return entries_.size() * sizeof(Entry) + arena_.capacity(); }

 private:
  Key stored(const Key& key, std::string_view word) {
    const std::uint64_t at = arena_.size(), length = word.size();
    arena_.append(reinterpret_cast<const char*>(&length), 8);
    arena_.append(word);
    return {key.low, LONG | at};
  }

  bool is_word(const Entry& entry, const Key& key, std::string_view word) const {
    return entry.key.is_long() && entry.key.low == key.low && this->word(entry) == word;
  }

  void resize(std::size_t size) {
    std::vector<Entry> larger(size);
    for (const Entry& entry : entries_) {
      if (entry.first == 0) continue;
      std::size_t i = entry.key.is_long() ? long_key(word(entry)).hash() : entry.key.hash();
      while (larger[i & (size - 1)].first != 0) ++i;
      larger[i & (size - 1)] = entry;
    }
    entries_.swap(larger);
  }

  std::vector<Entry> entries_;
  std::string arena_;  // long words: eight bytes of length, then the word
  std::size_t size_ = 0;
};

WordCounter::WordCounter(Pattern pattern, std::size_t threads, std::size_t max_memory, Spaces spaces)
    : pattern_(pattern), spaces_(std::move(spaces)), threads_(thread_count(threads)), max_memory_(max_memory) {
  // Every word begins with the mark then, so it need not be counted with it.
  if (pattern == Pattern::metaspace && spaces_.give_plain_words()) dropped_ = kMetaspace;
  if (max_memory != 0 && max_memory < LEAST_MEMORY) {
    throw std::invalid_argument("The memory cap for counted words is too low: give at least 1048576 bytes.");
  }
  for (std::size_t thread = 0; thread < threads_; ++thread) tables_.push_back(std::make_unique<Table>());
}

WordCounter::~WordCounter() = default;

void WordCounter::add(std::span<const std::string_view> texts) {
  struct Piece {
    std::size_t begin, end;  // texts
    std::uint64_t position;
  };
  // With a cap, words are settled after every so many bytes: few enough that all of them, were they different words,
  // fit the other half of the cap.
  const std::uint64_t round = max_memory_ == 0 ? UINT64_MAX : max_memory_ / 64;
  std::vector<Piece> pieces;
  auto count = [&] {
    parallel_for(pieces.size(), threads_, [&](std::size_t number, std::size_t thread) {
      constexpr std::size_t WAITING = 16;  // words whose entries are on the way from memory
      struct Waiting {
        Key key;
        std::uint64_t hash;
        std::string_view word;
        std::uint64_t first;
      };
      std::array<Waiting, WAITING> waiting;
      std::size_t waiters = 0;
      Table& table = *tables_[thread];
      auto serve = [&] {
        for (std::size_t i = 0; i < waiters; ++i) {
          table.add(waiting[i].key, waiting[i].hash, waiting[i].word, 1, waiting[i].first);
        }
        waiters = 0;
      };
      std::uint64_t position = pieces[number].position + 1;
      auto count_word = [&](std::string_view word, std::string_view text) {
        const Key key = key_of(word, text.data() + text.size());
        const std::uint64_t hash = key.hash();
        table.prefetch(hash);
        waiting[waiters++] = {key, hash, word, position + static_cast<std::uint64_t>(word.data() - text.data())};
        if (waiters == WAITING) serve();
      };
      auto count_words = [&](std::string_view text) {
        split(pattern_, text, [&](std::string_view word) { count_word(word.substr(dropped_.size()), text); });
        position += text.size();
      };
      std::string treated;
      std::vector<std::size_t> ends;
      for (std::size_t i = pieces[number].begin; i < pieces[number].end; ++i) {
        if (spaces_.change_nothing()) {
          count_words(texts[i]);
          continue;
        }
        if (!dropped_.empty() && !need_care(spaces_, texts[i])) {
          between_spaces(texts[i], [&](std::string_view word) { count_word(word, texts[i]); });
          position += 3 * texts[i].size() + 3;
          continue;
        }
        treated.clear();
        ends.clear();
        treat_spaces(spaces_, texts[i], treated, ends);
        std::size_t begin = 0;
        for (std::size_t end : ends) {
          count_words(std::string_view(treated).substr(begin, end - begin));
          begin = end;
        }
        serve();  // before the words' bytes are written over
      }
      serve();
    });
    pieces.clear();
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (pieces.empty() || position_ - pieces.back().position >= 3 * PIECE) pieces.push_back({i, i, position_});
    pieces.back().end = i + 1;
    position_ += 3 * texts[i].size() + 3;  // a text may grow: each space by two bytes, and one in front
    unsettled_ += texts[i].size();
    if (unsettled_ >= round) {
      count();
      settle();
    }
  }
  count();
}

void WordCounter::add_word(std::string_view word, std::int64_t count) {
  if (count < 0) throw std::invalid_argument("A word has a negative count.");
  if (!word.starts_with(dropped_)) throw std::invalid_argument("A word does not begin with the mark of a space.");
  word.remove_prefix(dropped_.size());
  const Key key = key_of(word, word.data() + word.size());
  tables_[0]->add(key, key.hash(), word, count, ++position_);
  unsettled_ += word.size() + 1;
  if (max_memory_ != 0 && unsettled_ >= max_memory_ / 64) settle();
}

/// Puts the tables together into the first, and forgets the rarest words where a cap asks for it.
void WordCounter::settle() {
  for (std::size_t thread = 1; thread < threads_; ++thread) {
    tables_[0]->take(*tables_[thread]);
    tables_[thread] = std::make_unique<Table>();
  }
  unsettled_ = 0;
  if (max_memory_ != 0 && tables_[0]->bytes() > max_memory_ / 2) forget(max_memory_ / 4);
}

/// Keeps the most frequent words, as many as fit `most_bytes`: all that occur more often than some count.
void WordCounter::forget(std::size_t most_bytes) {
  const Table& table = *tables_[0];
  auto cost = [&](const Table::Entry& entry) {
    return 2 * sizeof(Table::Entry) + (entry.key.is_long() ? table.word(entry).size() + 8 : 0);
  };
  std::vector<std::pair<std::int64_t, std::size_t>> costs;  // (count, bytes)
  costs.reserve(table.size());
  table.each([&](const Table::Entry& entry) { costs.emplace_back(entry.count, cost(entry)); });
  std::sort(costs.begin(), costs.end(), std::greater<>());
  std::size_t bytes = 0;
  std::int64_t lost = 0;
  for (const auto& [count, entry_bytes] : costs) {
    bytes += entry_bytes;
    if (bytes > most_bytes) {
      lost = count;
      break;
    }
  }
  auto kept = std::make_unique<Table>();
  table.each([&](const Table::Entry& entry) {
    if (entry.count <= lost) {
      ++forgotten_;
      return;
    }
    const std::string_view word = table.word(entry);
    const Key key = entry.key.is_long() ? long_key(word) : entry.key;
    kept->add(key, key.hash(), word, entry.count, entry.first);
  });
  missing_ += lost;
  tables_[0] = std::move(kept);
}

CountedWords WordCounter::finish() {
  settle();
  CountedWords words;
  std::vector<Table::Entry> order;
  order.reserve(tables_[0]->size());
  std::size_t bytes = 0;
  tables_[0]->each([&](const Table::Entry& entry) {
    order.push_back(entry);
    bytes += tables_[0]->word(entry).size();
  });
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  words.bytes.reserve(bytes + order.size() * dropped_.size());
  words.starts.reserve(order.size() + 1);
  words.counts.reserve(order.size());
  for (const Table::Entry& entry : order) {
    words.bytes.append(dropped_).append(tables_[0]->word(entry));
    words.starts.push_back(words.bytes.size());
    words.counts.push_back(entry.count);
  }
  words.missing = missing_;
  words.forgotten = forgotten_;
  tables_[0] = std::make_unique<Table>();
  position_ = unsettled_ = forgotten_ = 0;
  missing_ = 0;
  return words;
}

}  // namespace idiolect
