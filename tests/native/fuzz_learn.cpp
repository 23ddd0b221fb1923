// Counts and learns from random texts: fuzz_learn SEED TEXTS. Built with sanitizers by test_sanitizers.py.
//
// Each text lies in memory of exactly its length, so that a read beyond it is seen. Counts must add up, must not depend
// on the number of threads, and the pair of the first merge must occur as often as the learner says.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bpe_alphabet.hpp"
#include "rows.hpp"
#include "words.hpp"

using namespace idiolect;

namespace {

constexpr std::string_view kParts[] = {" ", "  ", "\n", "a", "ab", "aaaa", "the", " and", "<s>", "<0x0A>", "1", "é",
                                       "你好", "\u0301", "\u2581", "\u2585", "\x1F", "Ж", "ᑦ", ",", "wordsthatarelong-"};

std::string random_text(std::mt19937_64& random) {
  std::string text;
  const std::size_t length = random() % 400;
  for (const bool broken = random() % 4 == 0; text.size() < length;) {
    if (broken && random() % 9 == 0) text += static_cast<char>(random());
    else text += kParts[random() % std::size(kParts)];
  }
  return text;
}

void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("It does not hold that %s.\n", what);
  std::exit(1);
}

std::map<std::string, std::int64_t> as_map(const CountedWords& words) {
  std::map<std::string, std::int64_t> map;
  for (std::size_t number = 0; number < words.size(); ++number) map[std::string(words[number])] = words.counts[number];
  return map;
}

void check_first_merge(const CountedWords& words, const LearntTokens& tokens) {
  if (tokens.learnt.merges.empty()) return;
  const auto [left, right] = tokens.learnt.merges[0];
  const std::string pair = tokens.alphabet[left] + tokens.alphabet[right];
  std::int64_t count = 0;
  for (std::size_t number = 0; number < words.size(); ++number) {
    for (std::size_t at = words[number].find(pair); at != std::string_view::npos; at = words[number].find(pair, at + 1)) {
      count += words.counts[number];
    }
  }
  check(count == tokens.learnt.counts[0], "the first pair occurs as often as is told");
}

}  // namespace

int main(int, char** arguments) {
  std::mt19937_64 random(std::strtoull(arguments[1], nullptr, 10));
  const long rounds = std::strtol(arguments[2], nullptr, 10) / 20;
  for (long round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<char[]>> memory;
    std::vector<std::string_view> texts;
    for (int n = 0; n < 20; ++n) {
      const std::string text = random_text(random);
      memory.push_back(std::make_unique<char[]>(text.size()));
      text.copy(memory.back().get(), text.size());
      texts.emplace_back(memory.back().get(), text.size());
    }
    hashes(texts, 2);
    check(first_invalid(texts, 2) <= texts.size(), "a text's number is one of theirs");
    const Pattern pattern = std::array{Pattern::gpt2, Pattern::cl100k, Pattern::metaspace, Pattern::none}[round % 4];
    Spaces spaces;
    if (pattern == Pattern::metaspace) {
      spaces = {random() % 2 == 0, random() % 2 == 0, random() % 2 == 0, random() % 2 == 0, {"<s>", "<0x0A>"}};
    }
    WordCounter alone(pattern, 1, 0, spaces), together(pattern, 3, 0, spaces);
    alone.add(texts);
    for (std::string_view text : texts) together.add({&text, 1});
    const CountedWords words = alone.finish();
    check(as_map(words) == as_map(together.finish()), "threads and batches change nothing");

    LearnOptions options{static_cast<Tie>(random() % 3), 0, static_cast<std::int64_t>(1 + random() % 3), random() % 9, {"the"}};
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
    if (options.longest == 1) options.longest = 2;
    const LearntTokens of_bytes = learn_from_bytes(words, bytes, 256 + random() % 400, options);
    for (std::size_t merge = 1; merge < of_bytes.learnt.counts.size(); ++merge) {
      check(of_bytes.learnt.counts[merge] <= of_bytes.learnt.counts[merge - 1], "counts never rise");
    }
    CharacterOptions characters;
    characters.coverage = random() % 2 == 0 ? 1 : 0.9;
    characters.excluded = " \x1F\u2585";
    characters.piece_rules = random() % 2 == 0;
    characters.rules = {random() % 2 == 0, random() % 2 == 0, random() % 2 == 0};
    learn_from_characters(words, characters, 1000, options);
    if (options.longest == 0 && words.size() > 0) {
      options.barred.clear();
      CharacterOptions every;
      const LearntTokens tokens = learn_from_characters(words, every, 1000, options);
      if (tokens.learnt.merges.empty() || tokens.learnt.merges[0].first != tokens.learnt.merges[0].second) {
        check_first_merge(words, tokens);
      }
    }
  }
}
