// What training draws from and walks along, made once from the counts of the words: random numbers, the share of a
// word's occurrences that is kept, negatives by the alias method, and the Huffman tree of hierarchical softmax.
//
// Word 0 is the most frequent: counts fall. Making them is linear in the vocabulary; a draw is one random number and one
// look-up of 8 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace idiolect {

/// Random numbers of 64 bits (SplitMix64, Steele et al. 2014). Streams of different keys have nothing in common.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t epoch, std::uint64_t block)
      : state_(mixed(mixed(mixed(seed) ^ epoch) ^ block)) {}

  std::uint64_t operator()() { return mixed(state_ += 0x9E3779B97F4A7C15u); }

  /// Uniform in [0, most), for most < 2^32.
  std::uint32_t below(std::uint32_t most) { return static_cast<std::uint32_t>(((*this)() >> 32) * most >> 32); }

  /// Uniform in [-0.5, 0.5), in steps of 2^-24.
  float centred() { return static_cast<float>((*this)() >> 40) * 0x1p-24f - 0.5f; }

 private:
  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  std::uint64_t state_;
};

/// Words drawn in proportion to count^0.75 (Mikolov et al. 2013, section 2.2), by the alias method (Vose 1991).
class Negatives {
 public:
  explicit Negatives(std::span<const std::int64_t> counts);

  std::int32_t operator()(Random& random) const {
    const std::uint64_t number = random();
    const auto place = static_cast<std::uint32_t>((number >> 32) * entries_.size() >> 32);
    const Entry& entry = entries_[place];
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(number) < entry.own ? place : entry.other);
  }

  /// The probability of each word.
  std::vector<double> probabilities() const;

 private:
  struct Entry {
    std::uint32_t own;    // below so many of 2^32, the word of this place; else
    std::uint32_t other;  // this one
  };
  std::vector<Entry> entries_;
};

/// For each word, in units of 2^-32, the share of its occurrences that training reads: sqrt(s / f) + s / f for a word of
/// frequency f and threshold s, as in the word2vec program; all of them where s is 0.
std::vector<std::uint64_t> kept_shares(std::span<const std::int64_t> counts, double sample);

/// The binary tree in which frequent words have short paths. Inner nodes are numbered in the order they are made, so the
/// root is the last.
struct HuffmanTree {
  explicit HuffmanTree(std::span<const std::int64_t> counts);

  std::vector<std::uint32_t> starts;  // word w's path: [starts[w], starts[w + 1]), from the root down
  std::vector<std::int32_t> nodes;
  std::vector<std::uint8_t> codes;  // 1: the path goes on to the second child, the more frequent
};

}  // namespace idiolect
