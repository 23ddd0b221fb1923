// The ways to cut words into pieces, kept flat: for each character of a word, the pieces that begin there.
//
// Learning walks over the same words dozens of times while the pieces only become fewer, so the edges are found once, by
// a trie, and filtered after each pruning; no pass looks at a byte of text again. An edge takes 4 bytes, a character 2, a
// word 24.
#pragma once

#include <algorithm>
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

/// Pieces by place, flat: of each place how many there are, and which.
struct Edges {
  std::vector<std::uint16_t> degrees;
  std::vector<std::uint32_t> edges;

  /// Gives each edge its new piece and takes out those that have none. `now` is by piece: kDropped, or kUnknownEdge for one
  /// character, so that none is left without an edge; at its end stands the unknown's. The unknown comes last at its place.
  void filter(std::span<const std::uint32_t> now) {
    const std::size_t unknown = now.size() - 1;
    std::size_t read = 0, write = 0;
    for (std::uint16_t& degree : degrees) {
      const std::size_t first = write, end = read + degree;
      while (read < end) {
        edges[write] = now[std::min<std::size_t>(edges[read++], unknown)];
        write += edges[write] != kDropped;
      }
      if (write - first > 1 && edges[first] == kUnknownEdge)
        std::rotate(edges.begin() + static_cast<std::ptrdiff_t>(first), edges.begin() + static_cast<std::ptrdiff_t>(first) + 1,
                    edges.begin() + static_cast<std::ptrdiff_t>(write));
      degree = static_cast<std::uint16_t>(write - first);
    }
    edges.resize(write);
    if (edges.size() * 2 < edges.capacity()) edges.shrink_to_fit();
  }
};

/// Words one after another; a place is a character, and its pieces, the shortest first, begin there.
struct Lattices : Edges {
  struct Word {
    std::uint64_t edge, position;  // the first of each
    std::int64_t count;
  };
  std::vector<Word> words;  // and one more, which ends the last

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

  void filter(std::span<const std::uint32_t> now) {
    Edges::filter(now);
    std::uint64_t edge = 0;
    for (std::size_t word = 0; word < size(); ++word) {
      words[word].edge = edge;
      for (std::uint64_t at = words[word].position; at < words[word + 1].position; ++at) edge += degrees[at];
    }
    words.back().edge = edge;
  }
};

/// Words in an order in which neighbours have much in common: only places that the word before has not are held.
struct SharedWords : Edges {
  struct Word {
    std::uint32_t first_sum;       // where the sums of its places lie (unigram_sums.hpp)
    std::uint32_t length, shared;  // characters, and how many of them are as in the word before
  };
  std::vector<Word> words;
};

}  // namespace idiolect
