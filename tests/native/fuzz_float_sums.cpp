// float_sums.hpp against the formulas, bit for bit: fuzz_float_sums SEED SUMS. Built with sanitizers by test_sanitizers.py.
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>

#include "float_sums.hpp"

using namespace idiolect;

int main(int, char** arguments) {
  std::mt19937_64 random(static_cast<std::uint64_t>(std::atoll(arguments[1])));
  const FloatSums sums;
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  auto uniform = [&random](float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); };
  auto check = [](float found, float expected, float x, float y) {
    if (std::bit_cast<std::uint32_t>(found) == std::bit_cast<std::uint32_t>(expected)) return;
    std::printf("%a instead of %a for %a and %a\n", found, expected, x, y);
    std::exit(1);
  };
  for (long long n = std::atoll(arguments[2]); n > 0; --n) {
    // Apart by little, by much, by nothing; near nought, where scores seldom are; and with nothing.
    const float x = n % 7 == 0 ? uniform(-2, 2) : uniform(-1, 0) * std::exp2(uniform(0, 13));
    const float apart = n % 5 == 0 ? uniform(0, 0.1f) : n % 5 == 1 ? uniform(15, 60) : uniform(0, 18);
    for (const float y : {x - apart, x + apart, x, kNone}) {
      check(sums.log_add(x, y), formula::log_add(x, y), x, y);
      check(sums.log_add(y, x), formula::log_add(y, x), y, x);
    }
    const float sum = n % 9 == 0 ? 0.0f : std::exp2(uniform(-40, 24)), count = n % 3 == 0 ? 1.0f : std::floor(uniform(1, 1e6f));
    for (const float share : {uniform(-1, 0.001f), uniform(-30, 0), uniform(-150, 90), kNone, 0.0f})
      check(sums.add_exp(sum, count, share), formula::add_exp(sum, count, share), sum, share);
  }
}
