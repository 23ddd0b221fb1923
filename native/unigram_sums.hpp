// Passes over all words as SentencePiece's trainer makes them: expected counts, and counts on the best paths.
//
// The forward sum at a place of a word depends only on what stands before it, and the backward sum only on what follows. So
// words are held in two orders beside that of their counts: in one, neighbours share beginnings, and in the other
// endings, and what they share is computed once (of English words, a quarter of the forward sums remains and half of the
// backward ones). The sums are kept, and then the counts are added in the order that is asked for.
//
// Costs: 8 bytes for each character of the words in sums, 12 for each word in each order, and for the places that are
// computed the same 4 bytes an edge as in the lattices.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "unigram_model.hpp"

namespace idiolect {

/// Fills `beginnings` and `endings`. `words` are sorted by their bytes; `by_count` says in which order they are counted.
void share_words(UnigramModel& model, const std::vector<std::pair<std::string, std::int64_t>>& words,
                 const std::vector<std::uint32_t>& by_count, std::size_t shards, std::size_t threads);

class UnigramSums {
 public:
  UnigramSums(UnigramModel& model, std::size_t threads);

  /// How often each piece is expected in the words of each shard, by the forward-backward algorithm.
  std::vector<std::vector<float>> expected();

  /// How often each piece is on the best path of a word, in each shard. Of equal paths it is SentencePiece's.
  std::vector<std::vector<float>> on_best_paths();

  /// The counts of all shards, added up in their order.
  static std::vector<float> total(std::vector<std::vector<float>> counts);

  /// The log likelihood of all words, as the latest expected() found it.
  double log_likelihood() const;

 private:
  struct Piece {
    float score;
    std::uint32_t length;
  };
  const Piece& piece(std::uint32_t edge) const { return pieces_[std::min<std::size_t>(edge, model_.size())]; }
  void look_up_pieces();
  void forward_sums();
  void backward_sums();
  std::vector<float> expected_in(std::size_t shard) const;

  /// Calls work(number) for all parts, each filtered just before, while it lies in the cache.
  template <class Part, class Work>
  void each_part(std::vector<Part>& parts, std::vector<std::uint32_t>& now, Work&& work) const;

  UnigramModel& model_;
  std::size_t threads_;
  std::vector<Piece> pieces_;            // by edge; the last is the unknown
  std::vector<std::size_t> first_sum_;   // by shard
  std::vector<float> before_, after_;    // a word's sums at its places, one more than it has characters
};

}  // namespace idiolect
