// Phrases: words that follow each other more often than chance would have it, joined into one (new_york).
//
// A pair scores (count(a b) - d) / (count(a) count(b)) times the words of the text, and is a phrase above a threshold
// (Mikolov et al. 2013, "Distributed Representations of Words and Phrases", section 4; the factor is that of their
// program). Joining goes from left to right, and a word is of one phrase only. Several passes make longer phrases.
//
// Cost: a look-up for each word. Memory: 16 bytes for each of twice as many places as pairs; where there are more pairs
// than are allowed, the rarest are forgotten, as in their program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace idiolect {

using WordPair = std::pair<std::int32_t, std::int32_t>;

/// Numbers by pair of words: open addressing.
class PairTable {
 public:
  PairTable() : entries_(1 << 10) {}

  struct Entry {
    std::uint64_t key = kFree;
    std::int64_t value = 0;
  };
  static std::uint64_t key_of(std::int32_t first, std::int32_t second) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(first)) << 32 | static_cast<std::uint32_t>(second);
  }

  /// The value of a key, 0 where it is new.
  std::int64_t& operator[](std::uint64_t key);

  /// The value of a key, or nullptr.
  const std::int64_t* find(std::uint64_t key) const;

  /// Forgets the keys whose value is `most` or less.
  void forget(std::int64_t most);

  template <class Visit>
  void each(Visit&& visit) const {
    for (const Entry& entry : entries_) {
      if (entry.key != kFree) visit(entry);
    }
  }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};  // no pair: both would be negative
  std::size_t place_of(std::uint64_t key) const;
  void rebuild(std::size_t places, std::int64_t forgotten);

  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

class PairCounter {
 public:
  /// `most`: pairs that are held at a time, at least 1024.
  explicit PairCounter(std::size_t most);

  /// Counts the pairs in the next stretch of a stream. Negative ids (ends of texts, rare words) are of no pair.
  void add(std::span<const std::int32_t> ids);

  /// The phrases among them, in rising order; d is `least`, and no phrase occurs less often. `counts`: of the words.
  std::vector<WordPair> phrases(std::span<const std::int64_t> counts, std::int64_t least, double threshold) const;

 private:
  std::size_t most_;
  std::int64_t forgotten_ = 0;  // pairs were forgotten up to this count
  std::int32_t last_ = -1;
  PairTable table_;
};

class PhraseJoiner {
 public:
  PhraseJoiner(const std::vector<WordPair>& phrases, std::int32_t first);

  /// The next stretch of a stream with `first` + n for phrase n. A word that may begin a phrase is kept back at its end;
  /// after the end of a text none is.
  std::vector<std::int32_t> join(std::span<const std::int32_t> ids);

 private:
  PairTable table_;  // of phrases: their ids
  std::int32_t held_ = -1;
};

}  // namespace idiolect
