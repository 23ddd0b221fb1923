// The names of the patterns; the scanners themselves are in split.hpp.
#include "split.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace idiolect {

namespace {

constexpr std::pair<std::string_view, Pattern> kNames[] = {
    {"gpt2", Pattern::gpt2},
    {"cl100k", Pattern::cl100k},
    {"o200k", Pattern::o200k},
    {"llama3", Pattern::llama3},
    {"qwen2", Pattern::qwen2},
    {"whitespace", Pattern::whitespace},
    {"metaspace", Pattern::metaspace},
    {"none", Pattern::none},
};

}  // namespace

Pattern pattern_of(std::string_view name) {
  std::string known;
  for (const auto& [known_name, pattern] : kNames) {
    if (name == known_name) return pattern;
    known += known.empty() ? "" : ", ";
    known += known_name;
  }
  throw std::invalid_argument("There is no pattern '" + std::string(name) + "': choose one of " + known + ".");
}

}  // namespace idiolect
