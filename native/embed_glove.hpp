// GloVe: vectors whose products are the logarithms of how often words meet (Pennington, Socher & Manning 2014).
//
// For each pair of words (i, j) that meet with weight x, in both directions, the loss is f(x) e^2 / 2, where
//
//   e = w_i · c_j + b_i + d_j - log x        f(x) = min(1, x / x_max)^0.75
//
// and each parameter moves by -g / sqrt(1 + the squares of all earlier g), g its gradient times the rate: AdaGrad as the
// paper's program has it (in today's, the biases have a rate of 1: docs/log.md). A row is [w, b, 1, 0 …] or
// [c, 1, d, 0 …], so that the sum is one dot product.
//
// Threads: words are dealt to kClasses classes, and the pairs of a chunk to kClasses^2 cells. In a round each lane works
// through a cell, no two with rows in common (Gemulla et al. 2011, "Large-scale matrix factorization with distributed
// stochastic gradient descent"). So no thread waits for a lock, and there is one result for any number of threads.
//
// Memory: 16 bytes a number of each word; 28 bytes for each pair of a chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "embed_cooccurrence.hpp"
#include "embed_kernels.hpp"
#include "embed_train.hpp"
#include "pages.hpp"

namespace idiolect {

class GloveModel {
 public:
  /// Throws std::invalid_argument for no words, no dimension, or an x_max that is not positive.
  GloveModel(std::size_t words, std::size_t dim, float rate, float x_max, std::uint64_t seed);

  const std::size_t words, dim, width;
  const float rate, x_max;
  const std::uint64_t seed;
  /// Rows of the words, and the squares of their steps: w and b, then c and d, then the two of squares.
  Table<float> rows;
  const Kernels* kernels = &best_kernels();

  std::size_t matrix() const { return words * width; }

  /// The update for one pair in one direction; its loss before.
  float step(std::uint32_t word, std::uint32_t context, float weight);

  /// Trains on a chunk of pairs, shuffled. The loss is summed over all pairs in each direction. Throws
  /// std::invalid_argument for words that are not there and weights that are not positive.
  Trained train(std::span<const Cooccurrence> pairs, std::uint64_t epoch, std::uint64_t chunk, std::size_t threads);

  /// w + c of the words [first, last), `dim` numbers each, end to end.
  void vectors(std::size_t first, std::size_t last, float* out) const;

 private:
  void prefetch(std::uint32_t word, std::uint32_t context) const;
};

}  // namespace idiolect
