#include "embed_kernels.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace idiolect {
namespace {

#if defined(__x86_64__)

namespace avx512 {
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")))
#define LANES 16
#define ROWS 6
#define COLUMNS 4
#include "embed_kernels.inc"
#undef TARGET
#undef LANES
#undef ROWS
#undef COLUMNS
constexpr Kernels kernels{"avx512", multiply, window_dots, window_update, errors, add, adagrad};
}  // namespace avx512

namespace avx2 {
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define ROWS 4
#define COLUMNS 2
#include "embed_kernels.inc"
#undef TARGET
#undef LANES
#undef ROWS
#undef COLUMNS
constexpr Kernels kernels{"avx2", multiply, window_dots, window_update, errors, add, adagrad};
}  // namespace avx2

#endif

namespace any {
#define TARGET
#define LANES 4
#define ROWS 4
#define COLUMNS 2
#include "embed_kernels.inc"
#undef TARGET
#undef LANES
#undef ROWS
#undef COLUMNS
constexpr Kernels kernels{"any", multiply, window_dots, window_update, errors, add, adagrad};
}  // namespace any

std::vector<const Kernels*> found() {
  std::vector<const Kernels*> kinds;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
    kinds.push_back(&avx512::kernels);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) kinds.push_back(&avx2::kernels);
#endif
  kinds.push_back(&any::kernels);
  return kinds;
}

}  // namespace

std::span<const Kernels* const> usable_kernels() {
  static const std::vector<const Kernels*> kinds = found();
  return kinds;
}

const Kernels& kernels_of(std::string_view name) {
  if (name.empty()) return best_kernels();
  for (const Kernels* kernels : usable_kernels()) {
    if (kernels->name == name) return *kernels;
  }
  throw std::invalid_argument("This processor cannot run the kernels named '" + std::string(name) + "'.");
}

}  // namespace idiolect
