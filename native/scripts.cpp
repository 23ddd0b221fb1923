#include "scripts.hpp"

#include <algorithm>
#include <vector>

namespace idiolect {
namespace {

struct Run {
  char32_t first, last;
  std::uint8_t script;
};

constexpr Run kRuns[] = {
#include "script_table.inc"
};
constexpr char32_t kDense = 0x30000;  // beyond lie only tags and selectors, found by search

std::vector<std::uint8_t> dense_table() {
  std::vector<std::uint8_t> table(kDense, kCommonScript);
  for (const Run& run : kRuns)
    for (char32_t code = run.first; code <= run.last && code < kDense; ++code) table[code] = run.script;
  return table;
}

}  // namespace

std::uint8_t script_of(char32_t code) {
  static const std::vector<std::uint8_t> table = dense_table();
  if (code < kDense) return table[code];
  const Run* run = std::upper_bound(std::begin(kRuns), std::end(kRuns), code,
                                    [](char32_t sought, const Run& one) { return sought < one.first; });
  return run != std::begin(kRuns) && code <= run[-1].last ? run[-1].script : kCommonScript;
}

}  // namespace idiolect
