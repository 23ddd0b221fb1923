// What the two ways of learning share: the pieces as they are now, the words' lattices, and how both shrink.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trie.hpp"
#include "unigram_lattice.hpp"
#include "unigram_learn.hpp"

namespace idiolect {

/// The characters that must be pieces, with their counts, the most frequent first.
using RequiredCharacters = std::vector<std::pair<char32_t, std::int64_t>>;

struct UnigramModel {
  std::vector<std::string_view> pieces;
  std::vector<float> scores;            // logarithms of probabilities
  std::vector<std::uint16_t> lengths;   // in characters
  std::vector<std::uint32_t> keys;      // the piece's number in the trie, which keeps all seeds to the end
  std::vector<std::uint32_t> piece_of;  // and back: by key, or kDropped
  Trie trie;
  std::vector<Lattices> shards;         // word n is in shard n modulo their number
  // For SentencePiece's steps, all words once more, in parts: pieces by where they end, and by where they begin.
  std::vector<SharedWords> beginnings, endings;

  /// What has become of the pieces since the edges of a kind were filtered (Edges::filter); empty: nothing.
  std::vector<std::uint32_t> shards_now, beginnings_now, endings_now;

  std::size_t size() const { return pieces.size(); }

  /// Keeps these pieces (by their present numbers), in this order, with these scores. Edges are not filtered yet.
  void keep(const std::vector<std::uint32_t>& kept, const std::vector<float>& new_scores);

  /// Calls edge(position, piece, characters) for the lattice of one of the pieces, position by position.
  template <class Edge>
  void piece_edges(std::string_view piece, Edge&& edge) const {
    std::uint32_t position = 0;
    const char* const end = piece.data() + piece.size();
    for (const char* at = piece.data(); at < end; at += character_length(*at), ++position)
      edges_from(trie, at, end, [this](std::uint32_t key) { return piece_of[key]; },
                 [&](std::uint32_t other, std::uint32_t characters) { edge(position, other, characters); });
  }
};

/// ψ, the derivative of log Γ: by the recurrence up to 7, then by the asymptotic series.
double digamma(double x);

/// The steps of SentencePiece 0.2.3 (unigram_exact.cpp). Returns the final pieces.
std::vector<std::pair<std::string, float>> learn_like_sentencepiece(UnigramModel& model, const RequiredCharacters& required,
                                                                    const UnigramLearning& options,
                                                                    const std::function<void()>& stop);

/// The same aims in plain probabilities (unigram_fast.cpp).
UnigramPieces learn_fast(UnigramModel& model, const RequiredCharacters& required, const UnigramLearning& options,
                         const std::function<void()>& stop);

}  // namespace idiolect
