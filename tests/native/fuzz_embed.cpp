// Word vectors under the sanitizers: texts at random cut, numbered, joined, and learnt from, fast and deterministic.
//
//   fuzz_embed SEED ROUNDS
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "embed_phrases.hpp"
#include "embed_subwords.hpp"
#include "embed_train.hpp"
#include "embed_words.hpp"

using namespace idiolect;

int main(int, char** arguments) {
  std::mt19937 dice(static_cast<unsigned>(std::atoi(arguments[1])));
  const int rounds = std::atoi(arguments[2]);
  auto below = [&](std::size_t most) { return dice() % most; };
  const std::vector<std::string> pieces = {"a", "b", "'", "-", " ", "\n", "é", "中", "\xc3", "\xff", "😀", "1", "kl", "\xcc\x81"};
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::string> texts(1 + below(40));
    for (std::string& text : texts) {
      for (std::size_t n = below(400); n > 0; --n) text += pieces[below(pieces.size())];
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const auto rule = static_cast<WordRule>(below(3));
    WordCounter counter(Pattern::none, 1 + below(3));
    count_words(counter, rule, views);
    const CountedWords counted = counter.finish();
    std::vector<std::string> words;
    std::vector<std::int64_t> counts;
    for (std::size_t place : frequent(counted, 1 + static_cast<std::int64_t>(below(3)))) {
      words.emplace_back(counted[place]);
      counts.push_back(counted.counts[place]);
    }
    if (words.size() < 2) continue;
    std::vector<std::int32_t> ids = WordIds(words).ids(rule, views, 1 + below(3));
    PairCounter pairs(1024);
    pairs.add(ids);
    PhraseJoiner joiner(pairs.phrases(counts, 1, 5.0), static_cast<std::int32_t>(words.size()));
    joiner.join(ids);

    EmbedOptions options;
    options.cbow = below(2), options.hierarchical = below(2);
    options.dim = 1 + below(130), options.window = 1 + below(9), options.negative = 1 + below(9);
    options.sample = below(2) ? 1e-2 : 0, options.epochs = 1, options.seed = dice();
    const std::size_t buckets = below(2) ? 1 + below(50) : 0;
    const Subwords grams = buckets ? subwords(words, 1 + below(3), 4, buckets) : Subwords{};
    EmbedModel model(options, counts, grams.starts, grams.buckets, buckets);
    const auto kinds = usable_kernels();
    model.kernels = kinds[below(kinds.size())];
    const std::size_t blocks = (ids.size() + kBlock - 1) / kBlock;
    const bool deterministic = below(2);
    // Without a lock threads race for rows, as they are meant to; that is no business of these sanitizers.
    train(model, ids, 0, 0, blocks, 1 + below(3), deterministic);
    std::vector<float> vectors(words.size() * options.dim);
    model.vectors(0, words.size(), vectors.data());
    for (float number : vectors) {
      if (!std::isfinite(number)) return std::puts("a vector is not finite"), 1;
    }
  }
  return 0;
}
