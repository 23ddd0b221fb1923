// The arithmetic of word vectors: small matrix products, windows, and errors, for each kind of processor.
//
// One source (embed_kernels.inc) is compiled for AVX-512, AVX2 and whatever the compiler takes for granted, and
// `best_kernels` chooses at run time. Rows are float, begin at multiples of 64 bytes, and are filled with zeros up to a
// multiple of 16 numbers, so that no loop has a rest. The kernels differ in the order of their sums, hence in the last bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace idiolect {

constexpr std::size_t kRowStep = 16;  // numbers; a row's length is a multiple of it

/// The length of a row that holds so many numbers.
constexpr std::size_t row_width(std::size_t numbers) { return (numbers + kRowStep - 1) / kRowStep * kRowStep; }

/// The positions [first, last) around a centre.
struct Window {
  std::uint32_t first, last;
};

struct Kernels {
  const char* name;

  /// c[i] += sum over j of a[i * row + j * step] * b[j], where c and b have rows of `width` numbers.
  void (*multiply)(float* c, const float* a, std::size_t row, std::size_t step, const float* b, std::size_t rows,
                   std::size_t inner, std::size_t width);

  /// logits[p - first] = x[p] · y for the positions p of a window.
  void (*window_dots)(float* logits, const float* x, const float* y, Window window, std::size_t width);

  /// dy += errors[p - first] x[p] and dx[p] += errors[p - first] y for the positions p of a window.
  void (*window_update)(const float* errors, const float* x, float* dx, const float* y, float* dy, Window window,
                        std::size_t width);

  /// logits[n] = rate * weights[n] * (label - logistic(logits[n])); `count` is a multiple of kRowStep.
  void (*errors)(float* logits, const float* weights, float rate, float label, std::size_t count);

  /// to += factor * from.
  void (*add)(float* to, const float* from, float factor, std::size_t width);

  /// A step of AdaGrad for the product of two rows: with g = factor * y (or x, the values before), x -= g / sqrt(squares)
  /// to 5e-6, and squares += g * g.
  void (*adagrad)(float* x, float* x_squares, float* y, float* y_squares, float factor, std::size_t width);
};

/// The kernels that this processor can run, the best first.
std::span<const Kernels* const> usable_kernels();

/// The best of them.
inline const Kernels& best_kernels() { return *usable_kernels().front(); }

/// Those of a name; "": the best. Throws std::invalid_argument where this processor cannot run them.
const Kernels& kernels_of(std::string_view name);

}  // namespace idiolect
