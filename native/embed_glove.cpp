#include "embed_glove.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "embed_tables.hpp"
#include "threads.hpp"

namespace idiolect {
namespace {

constexpr std::size_t kClasses = 16;  // of words
constexpr std::size_t kSoon = 2;      // pairs ahead whose rows are asked for

float share_of(float weight, float x_max) {
  if (weight >= x_max) return 1;
  const float root = std::sqrt(weight / x_max);
  return root * std::sqrt(root);
}

}  // namespace

GloveModel::GloveModel(std::size_t words, std::size_t dim, float rate, float x_max, std::uint64_t seed)
    : words(words), dim(dim), width(row_width(dim + 2)), rate(rate), x_max(x_max), seed(seed) {
  if (words < 1 || words >= 0x7FFFFFFF || dim < 1 || !(x_max > 0)) {
    throw std::invalid_argument("GloVe needs words, vectors of at least one number, and an x_max above 0.");
  }
  rows.resize(4 * words * width);
  for (std::size_t row = 0; row < 2 * words; ++row) {
    Random random(seed, ~std::uint64_t{0}, row);
    float* numbers = rows.data() + row * width;
    for (std::size_t n = 0; n < dim + 1; ++n) {
      numbers[n] = random.centred() / static_cast<float>(dim);
    }
    numbers[dim + 1] = 1;
    if (row >= words) std::swap(numbers[dim], numbers[dim + 1]);
  }
  std::fill(rows.begin() + static_cast<std::ptrdiff_t>(2 * matrix()), rows.end(), 1.0f);
}

float GloveModel::step(std::uint32_t word, std::uint32_t context, float weight) {
  float* const x = rows.data() + word * width;
  float* const y = rows.data() + matrix() + context * width;
  float product;
  kernels->window_dots(&product, x, y, {0, 1}, width);
  const float error = product - std::log(weight), share = share_of(weight, x_max);
  kernels->adagrad(x, x + 2 * matrix(), y, y + 2 * matrix(), rate * share * error, width);
  x[dim + 1] = 1, y[dim] = 1;
  return 0.5f * share * error * error;
}

void GloveModel::prefetch(std::uint32_t word, std::uint32_t context) const {
  const float* const x = rows.data() + word * width;
  const float* const y = rows.data() + matrix() + context * width;
  for (std::size_t n = 0; n < width; n += 16) {
    __builtin_prefetch(x + n, 1);
    __builtin_prefetch(y + n, 1);
    __builtin_prefetch(x + 2 * matrix() + n, 1);
    __builtin_prefetch(y + 2 * matrix() + n, 1);
  }
}

Trained GloveModel::train(std::span<const Cooccurrence> pairs, std::uint64_t epoch, std::uint64_t chunk,
                          std::size_t threads) {
  if (pairs.size() > std::size_t{1} << 30) throw std::invalid_argument("These are too many pairs at once.");
  std::vector<std::uint32_t> order;  // 2 * pair + direction
  order.reserve(2 * pairs.size());
  for (std::uint32_t n = 0; n < pairs.size(); ++n) {
    const Cooccurrence& pair = pairs[n];
    if (pair.first >= words || pair.second >= words || !(pair.weight > 0) || !std::isfinite(pair.weight)) {
      throw std::invalid_argument("There are no such pairs of words.");
    }
    order.push_back(2 * n);
    if (pair.first != pair.second) order.push_back(2 * n + 1);
  }
  Random random(seed, epoch, chunk);
  for (std::size_t n = order.size(); n > 1; --n) std::swap(order[n - 1], order[random.below(static_cast<std::uint32_t>(n))]);

  auto ends_of = [&](std::uint32_t item) {
    const Cooccurrence& pair = pairs[item >> 1];
    return item & 1 ? std::pair(pair.second, pair.first) : std::pair(pair.first, pair.second);
  };
  auto cell_of = [&](std::uint32_t item) {
    const auto [word, context] = ends_of(item);
    return word % kClasses * kClasses + context % kClasses;
  };
  std::array<std::size_t, kClasses * kClasses + 1> starts{};
  for (std::uint32_t item : order) ++starts[cell_of(item) + 1];
  for (std::size_t cell = 0; cell < kClasses * kClasses; ++cell) starts[cell + 1] += starts[cell];
  std::vector<std::uint32_t> dealt(order.size());
  auto at = starts;
  for (std::uint32_t item : order) dealt[at[cell_of(item)]++] = item;

  std::array<double, kClasses> losses{};
  for (std::size_t round = 0; round < kClasses; ++round) {
    parallel_for(kClasses, threads, [&](std::size_t lane, std::size_t) {
      const std::size_t cell = lane * kClasses + (lane + round) % kClasses;
      double loss = 0;
      for (std::size_t n = starts[cell]; n < starts[cell + 1]; ++n) {
        if (n + kSoon < starts[cell + 1]) {
          const auto [word, context] = ends_of(dealt[n + kSoon]);
          prefetch(word, context);
        }
        const auto [word, context] = ends_of(dealt[n]);
        loss += static_cast<double>(step(word, context, pairs[dealt[n] >> 1].weight));
      }
      losses[lane] += loss;
    });
  }
  Trained trained;
  trained.words = trained.pairs = static_cast<std::int64_t>(order.size());
  for (double loss : losses) trained.loss += loss;
  return trained;
}

void GloveModel::vectors(std::size_t first, std::size_t last, float* out) const {
  for (std::size_t word = first; word < last; ++word, out += dim) {
    for (std::size_t n = 0; n < dim; ++n) out[n] = rows[word * width + n] + rows[matrix() + word * width + n];
  }
}

}  // namespace idiolect
