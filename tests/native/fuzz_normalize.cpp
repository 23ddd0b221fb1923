// Reads damaged rule tables and applies what is read: fuzz_normalize TABLE SEED TABLES. Built with sanitizers by
// test_sanitizers.py. Tables and texts lie in memory of exactly their length.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "normalize.hpp"

using namespace idiolect;

namespace {

constexpr std::string_view kParts[] = {"a", "b", "c", " ", "  ", "\t", "\u00E9", "\u4E2D", "\u0301", "\u2581", "\xff"};

std::string damaged(std::string table, std::mt19937_64& random) {
  for (auto changes = random() % 6; changes > 0; --changes) {
    const std::size_t at = random() % 4 ? random() % table.size() : random() % 8;  // the size, often, and the root
    table[at] = static_cast<char>(random() % 3 ? random() : random() % 5);
  }
  if (random() % 5 == 0) table.resize(random() % (table.size() + 1));
  return table;
}

struct Exact {
  explicit Exact(const std::string& text) : bytes(new char[text.size()]), size(text.size()) {
    text.copy(bytes.get(), size);
  }
  std::string_view view() const { return {bytes.get(), size}; }
  std::unique_ptr<char[]> bytes;
  std::size_t size;
};

}  // namespace

int main(int, char** arguments) {
  std::ifstream file(arguments[1], std::ios::binary);
  const std::string table{std::istreambuf_iterator<char>(file), {}};
  std::mt19937_64 random(std::strtoull(arguments[2], nullptr, 10));
  const auto tables = std::strtoull(arguments[3], nullptr, 10);
  std::size_t refused = 0;
  for (std::size_t n = 0; n < tables; ++n) {
    const Exact changed(damaged(table, random));
    try {
      const Normalizer normalizer(changed.view(), {random() % 2 == 0, random() % 2 == 0, random() % 2 == 0, random() % 2 == 0, random() % 2 == 0},
                                  random() % 2 ? std::vector<std::string>{} : std::vector<std::string>{"ab", "a", "\xE4\xB8\xAD"});
      for (int texts = 0; texts < 3; ++texts) {
        std::string text, out = "before";
        for (auto parts = random() % 40; parts > 0; --parts) text += kParts[random() % std::size(kParts)];
        normalizer.append(Exact(text).view(), out);
        if (!out.starts_with("before")) std::abort();
      }
    } catch (const std::invalid_argument&) {
      ++refused;
    }
  }
  std::printf("%zu refused\n", refused);
  return refused > 0 && refused < tables ? 0 : 1;
}
