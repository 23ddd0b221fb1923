// The ways to cut words into pieces, kept flat: for each character of a word, the pieces that begin there.
//
// Learning walks over the same words dozens of times while the pieces only become fewer, so the edges are found once, by
// a trie, and filtered after each pruning; no pass looks at a byte of text again. An edge takes 4 bytes, a character 2, a
// word 24.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "trie.hpp"

namespace idiolect {

constexpr std::uint32_t kUnknownEdge = 0xFFFFFFFF;  // one character, where no piece of one character begins
constexpr std::uint32_t kDropped = 0xFFFFFFFE;      // in a map from old pieces to new: the piece is gone

inline std::size_t character_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// The pieces that begin at `at`, as numbers by `piece_of(key of the trie)`, shortest first; then the unknown edge if none
/// has one character. Calls edge(piece, characters).
template <class PieceOf, class Edge>
void edges_from(const Trie& trie, const char* at, const char* end, PieceOf&& piece_of, Edge&& edge) {
  bool single = false;
  std::uint32_t node = Trie::kRoot, characters = 0;
  while (at < end) {
    for (std::size_t left = std::min<std::size_t>(character_length(*at), static_cast<std::size_t>(end - at)); left > 0; --left) {
      node = trie.child(node, static_cast<unsigned char>(*at++));
      if (node == Trie::kNone) break;
    }
    if (node == Trie::kNone) break;
    ++characters;
    if (trie.value(node) == Trie::kNone) continue;
    const std::uint32_t piece = piece_of(trie.value(node));
    if (piece == kDropped) continue;
    single = single || characters == 1;
    edge(piece, characters);
  }
  if (!single) edge(kUnknownEdge, 1u);
}

struct Lattices {
  struct Word {
    std::uint64_t edge, position;  // the first of each
    std::int64_t count;
  };
  std::vector<Word> words;             // and one more, which ends the last
  std::vector<std::uint16_t> degrees;  // by position: how many edges begin there
  std::vector<std::uint32_t> edges;    // pieces, by position, the shortest first

  std::size_t size() const { return words.size() - 1; }
  std::uint32_t characters(std::size_t word) const {
    return static_cast<std::uint32_t>(words[word + 1].position - words[word].position);
  }

  Lattices() : words(1, Word{0, 0, 0}) {}

  void add(const Trie& trie, std::string_view text, std::int64_t count) {
    words.back().count = count;
    const char* const end = text.data() + text.size();
    for (const char* at = text.data(); at < end; at += character_length(*at)) {
      const std::size_t before = edges.size();
      edges_from(trie, at, end, [](std::uint32_t key) { return key; },
                 [this](std::uint32_t piece, std::uint32_t) { edges.push_back(piece); });
      degrees.push_back(static_cast<std::uint16_t>(edges.size() - before));
    }
    words.push_back({edges.size(), degrees.size(), 0});
  }

  /// Gives each edge its new piece and takes out those that have none; a character is never left without an edge.
  void filter(std::span<const std::uint32_t> piece_of, std::span<const std::uint16_t> length_of) {
    std::uint64_t read = 0, write = 0, position = 0;
    for (std::size_t word = 0; word < size(); ++word) {
      words[word].edge = write;
      for (; position < words[word + 1].position; ++position) {
        const std::uint64_t first = write;
        bool single = false;
        for (std::uint16_t left = degrees[position]; left > 0; --left) {
          const std::uint32_t old = edges[read++];
          if (old == kUnknownEdge || piece_of[old] == kDropped) continue;
          single = single || length_of[piece_of[old]] == 1;
          edges[write++] = piece_of[old];
        }
        if (!single) edges[write++] = kUnknownEdge;
        degrees[position] = static_cast<std::uint16_t>(write - first);
      }
    }
    words.back().edge = write;
    edges.resize(write);
    if (edges.size() * 2 < edges.capacity()) edges.shrink_to_fit();
  }
};

}  // namespace idiolect
