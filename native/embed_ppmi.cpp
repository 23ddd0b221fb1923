#include "embed_ppmi.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "embed_kernels.hpp"
#include "threads.hpp"

namespace idiolect {

void fill_rows(std::span<const Cooccurrence> pairs, std::span<std::int64_t> ends, std::span<std::uint32_t> columns,
               std::span<float> logs) {
  auto put = [&](std::uint32_t row, std::uint32_t column, float log) {
    if (row >= ends.size() || ends[row] < 0 || static_cast<std::size_t>(ends[row]) >= std::min(columns.size(), logs.size())) {
      throw std::invalid_argument("The pairs do not fit into the rows.");
    }
    const auto place = static_cast<std::size_t>(ends[row]++);
    columns[place] = column, logs[place] = log;
  };
  for (const Cooccurrence& pair : pairs) {
    const float log = std::log(pair.weight);
    put(pair.first, pair.second, log);
    if (pair.first != pair.second) put(pair.second, pair.first, log);
  }
}

void ppmi_product(const MeetingRows& rows, std::span<const float> of_row, std::span<const float> of_column,
                  std::span<const float> x, std::span<float> out, std::size_t width, std::size_t threads) {
  const std::size_t words = of_row.size();
  if (rows.starts.size() != words + 1 || of_column.size() != words || width % kRowStep != 0 || x.size() != words * width ||
      out.size() != x.size() || rows.columns.size() != rows.logs.size()) {
    throw std::invalid_argument("The parts of the product do not fit together.");
  }
  const Kernels& kernels = best_kernels();
  constexpr std::size_t PIECE = 64;  // rows
  parallel_for((words + PIECE - 1) / PIECE, threads, [&](std::size_t piece, std::size_t) {
    for (std::size_t row = piece * PIECE; row < std::min(words, (piece + 1) * PIECE); ++row) {
      float* const sum = out.data() + row * width;
      std::fill(sum, sum + width, 0.0f);
      const auto begin = rows.starts[row], end = rows.starts[row + 1];
      if (begin < 0 || end < begin || static_cast<std::size_t>(end) > rows.columns.size()) {
        throw std::invalid_argument("The rows lie outside the matrix.");
      }
      for (auto n = static_cast<std::size_t>(begin); n < static_cast<std::size_t>(end); ++n) {
        const std::uint32_t column = rows.columns[n];
        if (column >= words) throw std::invalid_argument("There is no such column.");
        const float value = rows.logs[n] - of_row[row] - of_column[column];
        if (value > 0) kernels.add(sum, x.data() + column * width, value, width);
      }
    }
  });
}

}  // namespace idiolect
