#include "embed_model.hpp"

#include <algorithm>
#include <stdexcept>

#include "threads.hpp"

namespace idiolect {
namespace {

std::size_t checked_words(const EmbedOptions& options, std::span<const std::int64_t> counts) {
  if (counts.size() < 2 || counts.size() >= 0x7FFFFFFF) {
    throw std::invalid_argument("Word vectors need at least two different words.");
  }
  if (counts.back() < 1 || !std::is_sorted(counts.rbegin(), counts.rend())) {
    throw std::invalid_argument("The counts of the words must be positive and fall.");
  }
  if (options.dim < 1 || options.window < 1 || options.epochs < 1 || options.centres < 1 || options.shared < 1 ||
      options.shared % kRowStep != 0) {
    throw std::invalid_argument("The dimension, window, epochs and batch of word vectors must be positive.");
  }
  return counts.size();
}

/// A batch sums what all its pairs do to a row, from the same values, where word2vec goes a pair at a time: with few
/// different words that would overshoot. So the centres are a thirty-second of the number of equally frequent words that
/// would meet as often as these do (1 / sum of p^2).
std::size_t centres_of(const EmbedOptions& options, std::span<const std::int64_t> counts,
                       std::span<const std::uint64_t> kept) {
  double total = 0, squares = 0;
  for (std::size_t word = 0; word < counts.size(); ++word) {
    const double share = static_cast<double>(counts[word]) * static_cast<double>(kept[word]);
    total += share;
    squares += share * share;
  }
  return std::clamp<std::size_t>(static_cast<std::size_t>(total / squares * total / 32), 1, options.centres);
}

/// Small random numbers for the rows of `input`, each row from a stream of its own.
void fill(Table<float>& rows, std::size_t width, const EmbedOptions& options) {
  constexpr std::size_t PIECE = 1 << 12;
  const std::size_t count = rows.size() / width;
  parallel_for((count + PIECE - 1) / PIECE, 0, [&](std::size_t piece, std::size_t) {
    for (std::size_t row = piece * PIECE; row < std::min(count, (piece + 1) * PIECE); ++row) {
      Random random(options.seed, ~std::uint64_t{0}, row);
      for (std::size_t n = 0; n < options.dim; ++n) {
        rows[row * width + n] = random.centred() / static_cast<float>(options.dim);
      }
    }
  });
}

}  // namespace

EmbedModel::EmbedModel(const EmbedOptions& asked, std::span<const std::int64_t> counts,
                       std::span<const std::int64_t> subword_starts, std::span<const std::uint32_t> subword_buckets,
                       std::size_t buckets)
    : options(asked),
      words(checked_words(asked, counts)),
      width(row_width(asked.dim)),
      input_rows(words + buckets),
      output_rows(asked.hierarchical ? words - 1 : words),
      input(input_rows * width),
      output(output_rows * width),
      kept(kept_shares(counts, asked.sample)),
      centres(centres_of(asked, counts, kept)),
      negatives(asked.hierarchical ? counts.first(1) : counts),
      tree(asked.hierarchical ? counts : counts.first(1)) {
  starts_.push_back(0);
  rows_.reserve(words + subword_buckets.size());
  if (buckets > 0 && subword_starts.size() != words + 1) throw std::invalid_argument("Subwords of other words.");
  for (std::size_t word = 0; word < words; ++word) {
    rows_.push_back(static_cast<std::uint32_t>(word));
    if (buckets > 0) {
      const std::int64_t begin = subword_starts[word], end = subword_starts[word + 1];
      if (begin < 0 || end < begin || static_cast<std::size_t>(end) > subword_buckets.size()) {
        throw std::invalid_argument("The n-grams of a word lie outside those that are given.");
      }
      for (std::int64_t n = begin; n < end; ++n) {
        const std::uint32_t bucket = subword_buckets[static_cast<std::size_t>(n)];
        if (bucket >= buckets) throw std::invalid_argument("There is no such bucket of n-grams.");
        rows_.push_back(static_cast<std::uint32_t>(words + bucket));
      }
    }
    starts_.push_back(rows_.size());
  }
  fill(input, width, options);
}

void EmbedModel::vectors(std::size_t first, std::size_t last, float* out) const {
  for (std::size_t word = first; word < last; ++word, out += options.dim) {
    const auto rows = rows_of(word);
    for (std::size_t n = 0; n < options.dim; ++n) {
      float sum = 0;
      for (std::uint32_t row : rows) sum += input_row(row)[n];
      out[n] = sum / static_cast<float>(rows.size());
    }
  }
}

}  // namespace idiolect
