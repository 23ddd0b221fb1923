// Cuts random texts by every pattern: fuzz_split SEED TEXTS. Built with sanitizers by test_sanitizers.py.
//
// Each text lies in memory of exactly its length, so that a read beyond it is seen. The words must put together the
// text, none of them empty, and blocks of 64 bytes must cut as the scanners do.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "split.hpp"

using namespace idiolect;

namespace {

constexpr std::string_view kParts[] = {
    " ", "  ", "\n", "\r\n", "\t", "a", "the", " and", "'s", "'LL", "'", "!", "..", "1", "1234",  // ASCII
    "\u017F", "\u00E9", "\u4E2D", "\u0301", "\u3000", "\U0001F600", "\u2581", "/", "fooBar", "ABC", "\u02B0",
};
constexpr std::size_t kAscii = 15;

std::string random_text(std::mt19937_64& random) {
  std::string text;
  const std::size_t length = random() % 300;
  for (const auto mode = random() % 4; text.size() < length;) {
    const bool stray = mode == 0 || (mode == 1 && random() % 30 == 0);
    if (stray) text += static_cast<char>(random());
    else text += kParts[random() % (mode == 3 ? std::size(kParts) : kAscii)];
  }
  return text;
}

template <class Cut>
std::vector<std::string_view> words(std::string_view text, Cut cut) {
  std::vector<std::string_view> found;
  std::size_t bytes = 0;
  cut([&](std::string_view word) {
    if (word.empty() || word.data() != text.data() + bytes) std::abort();
    bytes += word.size();
    found.push_back(word);
  });
  if (bytes != text.size()) std::abort();
  return found;
}

template <class Blocks, class Scanner>
void compare(std::string_view text) {
  const auto fast = words(text, [&](auto emit) { scan::each_in_blocks<Blocks>(text, emit); });
  const auto plain = words(text, [&](auto emit) { scan::each<Scanner>(text, emit); });
  if (fast != plain) std::abort();
}

}  // namespace

int main(int, char** arguments) {
  std::mt19937_64 random(std::strtoull(arguments[1], nullptr, 10));
  for (auto left = std::strtoull(arguments[2], nullptr, 10); left > 0; --left) {
    const std::string made = random_text(random);
    const std::unique_ptr<char[]> exact(new char[made.size()]);
    made.copy(exact.get(), made.size());
    const std::string_view text(exact.get(), made.size());
    compare<scan::Gpt2Blocks, scan::Gpt2>(text);
    compare<scan::Cl100kBlocks<3>, scan::Cl100k<3>>(text);
    compare<scan::Cl100kBlocks<1>, scan::Cl100k<1>>(text);
    compare<scan::O200kBlocks, scan::O200k>(text);
    for (const char* name : {"gpt2", "cl100k", "o200k", "llama3", "qwen2", "whitespace", "metaspace", "none"})
      words(text, [&](auto emit) { split(pattern_of(name), text, emit); });
  }
}
