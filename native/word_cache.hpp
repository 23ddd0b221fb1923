// Words met before, and their ids: a bounded cache that one thread has to itself.
//
// Most words of a text have been met: a look-up is one line of memory and two comparisons. A word of up to 15 bytes and
// its length are one number of 128 bits; two of them share a line of 64 bytes with up to four ids each. A new word takes
// the second place of its line, and the first once it is met again, so that a frequent word stays and rare ones come and
// go behind it. A place is never searched for, whatever the words are, and the worst that hostile text can do is to miss
// every time. More ids, and words of up to kLongest bytes, lie in arenas, which are emptied when they are full.
//
// Memory: 128 KiB at first, at most 16 MiB of lines, 4 MiB of ids and 8 MiB of long words; 8 MiB of lines for 20 MB of
// English. Less is quicker at first, as memory that is touched first costs more than a word merged again now and then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "pages.hpp"

namespace idiolect {

/// A word of 1 to 15 bytes as two numbers: its bytes, then zeros, and the length in bits 56 to 59 of the second.
struct WordKey {
  static constexpr std::size_t kLongest = 15;

  std::uint64_t low, high;

  /// The key of `word`; `readable` says that the 16 bytes from its start may be read, as almost always they may.
  static WordKey of(std::string_view word, bool readable) {
    static constexpr auto kMasks = [] {
      std::array<std::array<std::uint64_t, 2>, 16> masks{};
      for (int size = 0; size < 16; ++size)
        for (int byte = 0; byte < size; ++byte) masks[size][byte / 8] |= std::uint64_t{0xff} << byte % 8 * 8;
      return masks;
    }();
    const auto& mask = kMasks[word.size() & 15];
    std::uint64_t low, high;
    if (readable) [[likely]] {
      std::memcpy(&low, word.data(), 8);
      std::memcpy(&high, word.data() + 8, 8);
    } else {
      std::uint64_t bytes[2] = {0, 0};
      std::memcpy(bytes, word.data(), word.size());
      low = bytes[0], high = bytes[1];
    }
    return {low & mask[0], (high & mask[1]) | std::uint64_t{word.size()} << 56};
  }

  std::uint64_t hash() const {
    const auto product = static_cast<unsigned __int128>(low ^ 0x2d358dccaa6c78a5) * (high ^ 0x8bb84b93962eacc9);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
};

class WordCache {
 public:
  static constexpr std::size_t kInline = 4;    // ids that a find may write, whatever it returns
  static constexpr std::size_t kLongest = 96;  // bytes of a word that is worth keeping

  WordCache() : lines_(kFirstLines) {}

  /// Brings the line of a hash nearer, some time before it is looked up.
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&lines_[hash & (lines_.size() - 1)]); }

  /// Writes the ids of a word and returns their number, or 0 where the word is not here. `ids` has room for the word's
  /// bytes or kInline, whichever is more.
  std::size_t find(const WordKey& key, std::uint64_t hash, std::uint32_t* ids) {
    Line& line = lines_[hash & (lines_.size() - 1)];
    if (!line.entries[0].is(key)) {
      if (!line.entries[1].is(key)) return 0;
      std::swap(line.entries[0], line.entries[1]);
    }
    const Entry& entry = line.entries[0];
    std::memcpy(ids, entry.ids, sizeof entry.ids);
    if (const std::size_t count = entry.high >> 60) return count;
    const std::size_t count = entry.ids[1];
    std::memcpy(ids, more_.data() + entry.ids[0], count * sizeof *ids);
    return count;
  }

  /// Keeps the ids of a word that `find` has not found.
  void keep(const WordKey& key, std::uint64_t hash, std::span<const std::uint32_t> ids);

  /// The same for words of more than 15 bytes: their ids, none where the word is not here.
  std::span<const std::uint32_t> find_long(std::string_view word) const;
  void keep_long(std::string_view word, std::span<const std::uint32_t> ids);

 private:
  static constexpr std::size_t kFirstLines = 1 << 11, kMostLines = 1 << 18, kGrowth = 4;
  static constexpr std::size_t kMostIds = 1 << 20;
  static constexpr std::size_t kLongLines = 1 << 14, kLongIds = 1 << 21;

  struct Entry {
    std::uint64_t low = 0, high = 0;  // the key; in bits 60 to 63 of `high` the number of ids, 0 where they are in more_
    std::uint32_t ids[kInline] = {};  // or their place in more_ and their number
    bool is(const WordKey& key) const { return low == key.low && high << 4 == key.high << 4; }
  };
  struct alignas(64) Line {
    Entry entries[2];
  };
  struct LongEntry {
    std::uint32_t tag = 0, place = 0;  // where in long_: the bytes, filled up to whole numbers, then the ids
    std::uint16_t bytes = 0, ids = 0;
  };
  static std::uint64_t hash_of(std::string_view word);
  static void put(Line& line, const Entry& entry) {
    line.entries[line.entries[0].high != 0] = entry;
  }
  void grow();

  Table<Line> lines_;
  std::size_t kept_ = 0;
  std::vector<std::uint32_t> more_;
  std::vector<LongEntry> long_lines_;
  std::vector<std::uint32_t> long_;
};

}  // namespace idiolect
