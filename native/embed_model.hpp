// What word vectors are while they are learnt: two matrices, and what is drawn and walked along to train them.
//
// `input` has a row for each word and, with subwords, one for each bucket of n-grams after them; a word's vector is the
// mean of its rows. `output` has a row for each word, or for each inner node of the Huffman tree. Rows are as long as the
// kernels want them, the dimension filled up with zeros.
//
// Memory: 4 bytes a number, rows filled up to 16; 8 bytes a word for the negatives, 8 for the shares that are kept, 12
// for which its rows are; 5 bytes for each node on a path or 4 for each n-gram of a word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "embed_kernels.hpp"
#include "embed_tables.hpp"
#include "pages.hpp"

namespace idiolect {

struct EmbedOptions {
  bool cbow;                 // else skip-gram
  bool hierarchical;         // else negative sampling
  std::size_t dim;
  std::size_t window;        // most words on each side; how many is drawn for each centre
  std::size_t negative;      // negatives that a positive pair is weighed against
  std::size_t shared = 48;   // negatives that a batch draws: a multiple of kRowStep
  std::size_t centres = 32;  // most in a batch
  double sample;
  double rate;  // learning rate at the start; it falls to a ten-thousandth of it
  std::uint64_t epochs;
  std::uint64_t seed;
};

class EmbedModel {
 public:
  /// `counts`: of the words, falling. `subword_starts` and `subword_buckets`: the buckets of the n-grams of word w are
  /// subword_buckets[subword_starts[w], subword_starts[w + 1]); none where `buckets` is 0. Throws std::invalid_argument
  /// where these do not fit together.
  EmbedModel(const EmbedOptions& options, std::span<const std::int64_t> counts,
             std::span<const std::int64_t> subword_starts, std::span<const std::uint32_t> subword_buckets,
             std::size_t buckets);

  const EmbedOptions options;
  const std::size_t words;
  const std::size_t width;  // of a row, in numbers
  const std::size_t input_rows, output_rows;
  Table<float> input, output;

  const Kernels* kernels = &best_kernels();
  const std::vector<std::uint64_t> kept;
  const std::size_t centres;  // in a batch: few where the words are few, as a row must not be hit too often at once
  const Negatives negatives;
  const HuffmanTree tree;

  float* input_row(std::size_t row) { return input.data() + row * width; }
  float* output_row(std::size_t row) { return output.data() + row * width; }
  const float* input_row(std::size_t row) const { return input.data() + row * width; }
  const float* output_row(std::size_t row) const { return output.data() + row * width; }

  /// The rows of `input` of which a word's vector is the mean.
  std::span<const std::uint32_t> rows_of(std::size_t word) const {
    return {rows_.data() + starts_[word], rows_.data() + starts_[word + 1]};
  }

  /// Vectors of the words [first, last), `dim` numbers each, end to end.
  void vectors(std::size_t first, std::size_t last, float* out) const;

 private:
  std::vector<std::size_t> starts_;
  std::vector<std::uint32_t> rows_;
};

}  // namespace idiolect
