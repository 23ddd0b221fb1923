// Positive pointwise mutual information as a sparse matrix, for its products with dense ones.
//
// What is kept is a row for each word: the words it meets, and the logarithms of the weights. The entry of row r and
// column c is max(0, log x - of_row[r] - of_column[c]), made anew in each product: so one matrix serves for the product
// with it and with its transpose, which differ only in these two. Rows are shared among threads; the result does not
// depend on how.
//
// Cost: 8 bytes for each pair in each direction, best in a mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "embed_cooccurrence.hpp"

namespace idiolect {

/// The words that each word meets, and how often: row r is [starts[r], starts[r + 1]).
struct MeetingRows {
  std::span<const std::int64_t> starts;
  std::span<const std::uint32_t> columns;
  std::span<const float> logs;
};

/// Puts pairs into the rows of both their words, at ends[row], which moves on. Throws std::invalid_argument where they
/// do not fit.
void fill_rows(std::span<const Cooccurrence> pairs, std::span<std::int64_t> ends, std::span<std::uint32_t> columns,
               std::span<float> logs);

/// out = the matrix times x, both with rows of `width` numbers, a multiple of kRowStep, at multiples of 64 bytes. Throws
/// std::invalid_argument where sizes do not fit together.
void ppmi_product(const MeetingRows& rows, std::span<const float> of_row, std::span<const float> of_column,
                  std::span<const float> x, std::span<float> out, std::size_t width, std::size_t threads);

}  // namespace idiolect
