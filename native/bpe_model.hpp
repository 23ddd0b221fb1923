// The merges of a BPE vocabulary, and a word merged by them.
//
// A word starts as symbols (bytes or characters); of the neighbours that can merge, the pair of the lowest rank does, at
// its leftmost place, until none can (Sennrich, Haddow and Birch 2016, section 3.2). What a pair's rank is:
//   by pair   its place in the list of merges (Hugging Face);
//   by piece  the first place of a pair that gives the same piece (tiktoken and SentencePiece rank pieces, so that
//             `aa a` and `a aa` are equals, and the leftmost wins).
//
// Cost: a word of n symbols takes O(n²) with tiny constants up to kShort of them, and O(n log n) beyond. The table
// takes 4 MiB and 34 bytes a merge, at least.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pages.hpp"
#include "split.hpp"

namespace idiolect {

/// What is no id: a symbol that no piece stands for, or no unknown token.
constexpr std::uint32_t kNoToken = 0xffffffff;

/// What a byte-pair encoder is made from.
struct BpeSettings {
  std::vector<std::string> pieces;                             // the bytes of each id
  std::vector<bool> special;                                   // by id: whether text never becomes it
  std::vector<std::pair<std::uint32_t, std::uint32_t>> merges;  // pairs of ids, the first learnt first
  std::vector<std::uint32_t> merged;                           // the id each pair becomes
  Pattern pattern = Pattern::none;
  bool characters = false;               // a word starts as characters rather than bytes
  std::vector<std::uint32_t> byte_ids;   // characters: the ids that stand for single bytes, 256 or none
  std::uint32_t unknown = kNoToken;      // characters: the id of what cannot be written otherwise
  bool ignore_merges = false;            // a word that is a piece is that piece, whatever the merges give
  bool rank_by_piece = false;            // pairs that become the same piece have the same rank
  bool fuse_unknown = true;              // unknown characters in a row are one unknown token
  std::vector<std::uint32_t> unused;     // characters: ids that are taken apart again into what they were merged from
};

/// From a pair of ids to its rank: a square grid for small ids, which most of the look-ups have, and a hash beyond. Most
/// pairs asked for do not merge, and a small table of bits says so of nine in ten without a look at the large one.
class PairRanks {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  PairRanks(const BpeSettings& settings);

  /// The rank of a pair, kNone where it does not merge. Any numbers may be asked for.
  std::uint32_t find(std::uint32_t left, std::uint32_t right) const {
    if ((left | right) < kGrid) return grid_[left * kGrid + right] - 1;
    const std::uint64_t hashed = hash(left, right), bit = hashed >> filter_shift_;
    if (!(filter_[bit >> 6] >> (bit & 63) & 1)) return kNone;
    for (std::size_t at = hashed >> shift_;; at = (at + 1) & mask_) {
      const Entry& entry = entries_[at];
      if (entry.left == left && entry.right == right) return entry.rank;
      if (entry.rank == kNone) return kNone;
    }
  }
  /// The id that the pairs of this rank become.
  std::uint32_t merged(std::uint32_t rank) const { return merged_[rank]; }

 private:
  static constexpr std::uint32_t kGrid = 1024;
  struct Entry {
    std::uint32_t left = kNoToken, right = kNoToken, rank = kNone;
  };
  static std::uint64_t hash(std::uint32_t left, std::uint32_t right) {
    std::uint64_t key = (std::uint64_t{left} << 32 | right) * 0x9e3779b97f4a7c15;
    return (key ^ key >> 32) * 0xd6e8feb86659fd93;
  }

  Table<std::uint32_t> grid_;  // rank + 1; 0: no such merge
  Table<Entry> entries_;
  std::size_t mask_ = 0;
  std::vector<std::uint64_t> filter_;  // a bit for each hash that some pair of entries_ has
  int shift_ = 0, filter_shift_ = 0;   // of a hash, to a place in entries_, to the number of a bit in filter_
  std::vector<std::uint32_t> merged_;
};

/// From the bytes of a piece to its id.
class PieceIds {
 public:
  PieceIds() = default;
  /// Makes room for so many pieces.
  explicit PieceIds(std::size_t pieces);
  /// Adds pieces[id], unless the same piece is there already.
  void add(std::uint32_t id, const std::vector<std::string>& pieces);
  /// The id of a piece, kNoToken where there is none.
  std::uint32_t find(std::string_view piece, const std::vector<std::string>& pieces) const;

 private:
  struct Entry {
    std::uint32_t tag = 0, id = kNoToken;
  };
  std::size_t place(std::string_view piece, std::uint32_t tag, std::size_t at, const std::vector<std::string>& pieces) const;

  Table<Entry> entries_;
};

/// Room for the work on one word, kept by its owner between words; it grows with the longest.
struct MergeSpace {
  std::vector<std::uint32_t> symbols;
  std::vector<std::uint32_t> before, after;
  std::vector<std::uint64_t> heap, aside;

  /// Gives back what an unusually long word needed.
  void shrink();
};

/// Chance for BPE-dropout: a short sequence of random numbers that a seed determines (splitmix64).
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}
  /// The next number, from 0 up to 1.
  double next();

 private:
  std::uint64_t state_;
};

/// The vocabulary, ready to cut words into pieces. Nothing in it changes, so threads share it.
class BpeModel {
 public:
  /// Checks everything, and throws std::invalid_argument with a sentence that names what does not fit.
  explicit BpeModel(BpeSettings settings);

  const BpeSettings& settings() const { return settings_; }
  /// Whether no piece goes on with a space mark ▁ after another character: then text may be cut before such a mark.
  bool cuts_before_marks() const { return cuts_before_marks_; }

  /// Appends the ids of a word, at most one for each of its bytes.
  void encode(std::string_view word, MergeSpace& space, std::vector<std::uint32_t>& out) const;

  /// The same where each possible merge is left out with probability `dropout` whenever it could be made (Provilkov,
  /// Emelianenko and Voita, "BPE-dropout: simple and effective subword regularization", 2020, section 3.2).
  void sample(std::string_view word, double dropout, Chance& chance, MergeSpace& space,
              std::vector<std::uint32_t>& out) const;

  /// How many bytes of the word each of its ids stands for, where `ids` is what `encode` or `sample` gave.
  void lengths(std::string_view word, const std::uint32_t* ids, std::size_t count, std::vector<std::uint32_t>& out) const;

 private:
  static constexpr std::size_t kShort = 64;

  std::uint32_t character(std::string_view word, std::size_t at, std::size_t& length) const;
  void start(std::string_view word, std::vector<std::uint32_t>& symbols) const;
  std::size_t merge_short(std::uint32_t* symbols, std::uint32_t* ranks, std::size_t count) const;
  void merge_long(MergeSpace& space, double dropout, Chance* chance) const;
  void take_apart(std::uint32_t symbol, std::vector<std::uint32_t>& out) const;
  void finish(const std::vector<std::uint32_t>& symbols, std::vector<std::uint32_t>& out) const;

  BpeSettings settings_;
  PairRanks ranks_;
  std::array<std::uint32_t, 256> byte_symbols_;
  std::vector<std::uint32_t> character_ids_;                       // by code point, for the first 65,536
  std::unordered_map<std::uint32_t, std::uint32_t> other_characters_;  // and for those beyond
  PieceIds whole_;                                                   // ignore_merges: the pieces that text may become
  Table<std::uint32_t> byte_ranks_;                                  // the rank of each two bytes
  bool cuts_before_marks_ = false;
  struct Parts {
    std::uint32_t left = kNoToken, right = kNoToken;
  };
  std::unordered_map<std::uint32_t, Parts> unused_;  // what each is made of; kNoToken: of nothing, so it is unknown
};

}  // namespace idiolect
