// Sums in single precision whose every bit must be that of a formula in double precision, without its cost.
//
// A float keeps 24 bits of a double's 53. So a cheaper double serves as well, unless it lies so near to the middle between
// two floats that its error could decide to which it is rounded: then, once in some 2,000 times, the formula itself is
// computed. Either way the result is the formula's. It costs 3 to 5 ns instead of 15 to 25.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace idiolect {

/// The formulas: log(exp(x) + exp(y)), where one of them may be minus infinity; and sum + count * exp(share).
namespace formula {

inline float log_add(float x, float y) {
  const float low = std::min(x, y), high = std::max(x, y);
  if (!(high <= low + 50.0f)) return high;
  return static_cast<float>(static_cast<double>(high) + std::log1p(std::exp(static_cast<double>(low - high))));
}

inline float add_exp(float sum, float count, float share) {
  return static_cast<float>(static_cast<double>(sum) + static_cast<double>(count) * std::exp(static_cast<double>(share)));
}

}  // namespace formula

/// Whether all doubles within 2^17 units in the last place of this one are rounded to the same float (a normal one).
inline bool rounds_alike(double x) {
  constexpr std::uint32_t kFurther = (1u << 29) - 1, kMiddle = 1u << 28, kNear = 1u << 17;  // of the 29 bits a float has not
  const auto further = static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(x)) & kFurther;
  return further - (kMiddle - kNear) > 2 * kNear;
}

class FloatSums {
 public:
  FloatSums() {
    for (std::size_t i = 0; i < softplus_.size(); ++i) {
      // Derivatives of log(1 + exp(-x)): with s the logistic of -x, s' = -s (1 - s).
      const double x = static_cast<double>(i) / kPerUnit, s = 1.0 / (1.0 + std::exp(x)), t = s * (1.0 - s);
      softplus_[i] = {std::log1p(std::exp(-x)), -s, t / 2, -t * (1 - 2 * s) / 6};
    }
    for (std::size_t i = 0; i < kPowers; ++i) powers_[i] = std::exp2(static_cast<double>(i) / kPowers);
  }

  float log_add(float x, float y) const {
    const float high = std::max(x, y);
    // Further apart, what is added is less than half a unit in the last place of anything from 1 on, and so is this.
    const float apart = std::min(17.5f, high - std::min(x, y));
    constexpr float kRound = 0x1.8p23f;  // added and taken off again, it rounds to a whole number
    const float rounded = apart * kPerUnit + kRound;
    const auto& c = softplus_[std::bit_cast<std::uint32_t>(rounded) - std::bit_cast<std::uint32_t>(kRound)];
    const double h = static_cast<double>(apart - (rounded - kRound) * (1.0f / kPerUnit));  // exact: near each other, or 0
    // Within 2e-11: |h| is at most 1/128, and the fourth derivative at most 1/8.
    const double sum = static_cast<double>(high) + ((c[0] + h * c[1]) + h * h * (c[2] + h * c[3]));
    return std::abs(sum) >= 1.0 && rounds_alike(sum) ? static_cast<float>(sum) : formula::log_add(x, y);
  }

  float add_exp(float sum, float count, float share) const {
    if (!(share > -80.0f && share < 80.0f)) return formula::add_exp(sum, count, share);
    // exp(share) = 2^(whole / 64) * exp(rest), |rest| <= log(2) / 128: five terms of the series are within 1e-13 of it.
    constexpr double kRound = 0x1.8p52;  // added and taken off again, it rounds to a whole number
    const double x = static_cast<double>(share), rounded = x * (kPowers / std::numbers::ln2) + kRound;
    const auto whole = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(rounded) - std::bit_cast<std::uint64_t>(kRound));
    const double rest = x - (rounded - kRound) * (std::numbers::ln2 / kPowers), square = rest * rest;
    const double series = (1.0 + rest) + square * ((1.0 / 2 + rest * (1.0 / 6)) + square * (1.0 / 24));
    const double power = powers_[static_cast<std::size_t>(whole & (kPowers - 1))];
    const double scale = std::bit_cast<double>(std::bit_cast<std::uint64_t>(power) + (static_cast<std::uint64_t>(whole >> 6) << 52));
    const double total = static_cast<double>(sum) + static_cast<double>(count) * (scale * series);
    return total > 1e-30 && rounds_alike(total) ? static_cast<float>(total) : formula::add_exp(sum, count, share);
  }

 private:
  static constexpr int kPerUnit = 64;
  static constexpr std::int64_t kPowers = 64;
  alignas(32) std::array<std::array<double, 4>, 1122> softplus_;
  std::array<double, kPowers> powers_;
};

}  // namespace idiolect
