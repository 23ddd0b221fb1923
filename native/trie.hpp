// A double-array trie: which of many strings begin at a place of a text, one memory access for each byte read.
//
// The child of node s by byte b, if there is one, is the slot base(s) + b whose parent is s (Aoe, "An efficient digital
// search algorithm by using a double-array structure", 1989). Building costs about 100 ns a node; a node takes 12 bytes,
// and a trie has at most one node for each byte of its keys.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace idiolect {

class Trie {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::uint32_t kRoot = 0;

  /// An empty trie: nothing is found in it.
  Trie() : Trie(std::span<const std::string_view>{}) {}

  /// The value of a key is its place in `keys`, which must be sorted by bytes, distinct and not empty
  /// (std::invalid_argument otherwise).
  explicit Trie(std::span<const std::string_view> keys);

  /// The node reached from `node` by one more byte, or kNone.
  std::uint32_t child(std::uint32_t node, unsigned char byte) const {
    const std::uint32_t at = units_[node].base + byte;
    return units_[at].parent == node ? at : kNone;
  }

  /// The key that ends at this node, or kNone.
  std::uint32_t value(std::uint32_t node) const { return units_[node].value; }

  /// How many slots there are; a node is below it.
  std::size_t size() const { return units_.size(); }

 private:
  struct Unit {
    std::uint32_t base = 0;
    std::uint32_t parent = kNone;
    std::uint32_t value = kNone;
  };
  std::vector<Unit> units_;
};

}  // namespace idiolect
