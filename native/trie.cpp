#include "trie.hpp"

#include <stdexcept>

namespace idiolect {
namespace {

/// The free slots of the array as a doubly linked list in rising order.
class FreeSlots {
 public:
  void grow(std::uint32_t size) {
    const auto old = static_cast<std::uint32_t>(next_.size());
    next_.resize(size);
    previous_.resize(size);
    for (std::uint32_t slot = old; slot < size; ++slot) {
      next_[slot] = Trie::kNone;
      previous_[slot] = last_;
      (last_ == Trie::kNone ? first_ : next_[last_]) = slot;
      last_ = slot;
    }
  }
  void take(std::uint32_t slot) {
    const std::uint32_t before = previous_[slot], after = next_[slot];
    (before == Trie::kNone ? first_ : next_[before]) = after;
    (after == Trie::kNone ? last_ : previous_[after]) = before;
    previous_[slot] = kTaken;
  }
  bool is_free(std::uint32_t slot) const { return slot >= next_.size() || previous_[slot] != kTaken; }
  std::uint32_t first() const { return first_; }
  std::uint32_t after(std::uint32_t slot) const { return next_[slot]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(next_.size()); }

 private:
  static constexpr std::uint32_t kTaken = 0xFFFFFFFE;
  std::vector<std::uint32_t> next_, previous_;
  std::uint32_t first_ = Trie::kNone, last_ = Trie::kNone;
};

/// A base at which the slots of all these bytes are free. Holes at the front are tried first, which fills them with nodes of
/// one child; for the rest `from` moves through the array once, so that all the searching together is linear.
std::uint32_t find_base(const FreeSlots& slots, const std::vector<unsigned char>& bytes, std::uint32_t& from) {
  auto fits = [&](std::uint32_t slot) {
    if (slot < bytes.front()) return false;
    for (unsigned char byte : bytes)
      if (!slots.is_free(slot - bytes.front() + byte)) return false;
    return true;
  };
  constexpr int kTries = 8;
  std::uint32_t slot = slots.first();
  for (int tried = 0; tried < kTries && slot != Trie::kNone; ++tried, slot = slots.after(slot))
    if (fits(slot)) return slot - bytes.front();
  for (; from < slots.size(); ++from)
    if (fits(from)) return from++ - bytes.front();
  return slots.size();  // fresh ground
}

}  // namespace

Trie::Trie(std::span<const std::string_view> keys) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].empty()) throw std::invalid_argument("A trie cannot hold an empty string.");
    if (i > 0 && !(keys[i - 1] < keys[i])) throw std::invalid_argument("The strings of a trie must be sorted and distinct.");
    total += keys[i].size();
  }
  if (total >= kNone / 4) throw std::invalid_argument("The strings of a trie have more than 1 GiB together.");

  FreeSlots slots;
  slots.grow(257);
  units_.resize(257);
  slots.take(kRoot);
  struct Span {
    std::uint32_t node;
    std::size_t first, last, depth;
  };
  std::vector<Span> open;
  if (!keys.empty()) open.push_back({kRoot, 0, keys.size(), 0});
  std::vector<unsigned char> bytes;
  std::vector<std::size_t> starts;
  std::uint32_t from = 0;
  while (!open.empty()) {
    auto [node, first, last, depth] = open.back();
    open.pop_back();
    if (keys[first].size() == depth) units_[node].value = static_cast<std::uint32_t>(first++);
    if (first == last) continue;
    bytes.clear();
    starts.clear();
    for (std::size_t i = first; i < last; ++i) {
      const auto byte = static_cast<unsigned char>(keys[i][depth]);
      if (bytes.empty() || byte != bytes.back()) {
        bytes.push_back(byte);
        starts.push_back(i);
      }
    }
    starts.push_back(last);
    const std::uint32_t base = find_base(slots, bytes, from);
    if (base + 256 >= slots.size()) {  // any byte can be added to any base without leaving the array
      const std::uint32_t size = base + 257 + slots.size() / 8;
      slots.grow(size);
      units_.resize(size);
    }
    units_[node].base = base;
    for (unsigned char byte : bytes) {
      slots.take(base + byte);
      units_[base + byte].parent = node;
    }
    for (std::size_t i = bytes.size(); i-- > 0;) open.push_back({base + bytes[i], starts[i], starts[i + 1], depth + 1});
  }
}

}  // namespace idiolect
