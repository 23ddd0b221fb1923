// Character n-grams of words as buckets, the same as fastText's (Bojanowski et al. 2017, section 3.2), so that vectors of
// n-grams can be exchanged with it: a word between < and >, all its runs of `shortest` to `longest` characters but a lone
// < or >, each hashed by FNV-1a with bytes as signed numbers, modulo the number of buckets.
//
// Cost: the number of n-grams times their length; 4 bytes for each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace idiolect {

struct Subwords {
  std::vector<std::int64_t> starts;    // the n-grams of word w: [starts[w], starts[w + 1])
  std::vector<std::uint32_t> buckets;  // in the order of where they begin, then of their length
};

/// Throws std::invalid_argument where the lengths or the number of buckets cannot be.
Subwords subwords(std::span<const std::string> words, std::size_t shortest, std::size_t longest, std::uint64_t buckets);

}  // namespace idiolect
