#include "embed_subwords.hpp"

#include <stdexcept>

namespace idiolect {
namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

Subwords subwords(std::span<const std::string> words, std::size_t shortest, std::size_t longest,
                  std::uint64_t buckets) {
  if (shortest < 1 || longest < shortest || buckets < 1 || buckets > std::uint64_t{1} << 32) {
    throw std::invalid_argument("N-grams need a length of 1 or more, the longest no shorter than the shortest, and buckets.");
  }
  Subwords found{{0}, {}};
  std::string marked;
  for (const std::string& word : words) {
    marked.assign(1, '<').append(word).append(1, '>');
    for (std::size_t begin = 0; begin < marked.size(); ++begin) {
      if (!begins_character(marked[begin])) continue;
      std::uint32_t hash = 2166136261;
      std::size_t end = begin;
      for (std::size_t characters = 1; characters <= longest && end < marked.size(); ++characters) {
        do {
          hash = (hash ^ static_cast<std::uint32_t>(static_cast<std::int8_t>(marked[end++]))) * 16777619;
        } while (end < marked.size() && !begins_character(marked[end]));
        const bool lone_mark = characters == 1 && (begin == 0 || end == marked.size());
        if (characters >= shortest && !lone_mark) found.buckets.push_back(static_cast<std::uint32_t>(hash % buckets));
      }
    }
    found.starts.push_back(static_cast<std::int64_t>(found.buckets.size()));
  }
  return found;
}

}  // namespace idiolect
