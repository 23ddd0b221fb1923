// Word vectors under the sanitizers: texts at random cut, numbered, joined, and learnt from, fast and deterministic; their
// pairs counted, and learnt from by GloVe and multiplied as PPMI.
//
//   fuzz_embed SEED ROUNDS FOLDER
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "embed_cooccurrence.hpp"
#include "embed_glove.hpp"
#include "embed_phrases.hpp"
#include "embed_ppmi.hpp"
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

    EmbedOptions options{};
    options.cbow = below(2), options.hierarchical = below(2);
    options.dim = 1 + below(130), options.window = 1 + below(9), options.negative = 1 + below(9);
    options.sample = below(2) ? 1e-2 : 0, options.rate = 0.025, options.epochs = 1, options.seed = dice();
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

    const std::string folder = arguments[3];
    CooccurrenceCounter meetings(words.size(), 1 + below(20), (1 << 20) + below(1 << 20), 1 + below(3), folder + "/runs");
    for (std::size_t first = 0; first < ids.size();) {
      const std::size_t size = std::min(1 + below(5000), ids.size() - first);
      meetings.add(std::span(ids).subspan(first, size));
      first += size;
    }
    std::vector<Cooccurrence> met(meetings.finish(folder + "/pairs"));
    std::FILE* file = std::fopen((folder + "/pairs").c_str(), "rb");
    const bool whole = std::fread(met.data(), sizeof(Cooccurrence), met.size(), file) == met.size() && std::fgetc(file) == EOF;
    std::fclose(file);
    if (!whole) return std::puts("the pairs are not as many as was said"), 1;
    GloveModel glove(words.size(), 1 + below(130), 0.1f, 1 + below(100), dice());
    glove.kernels = kinds[below(kinds.size())];
    glove.train(met, below(9), 0, 1 + below(20));
    for (float number : glove.rows) {
      if (!std::isfinite(number)) return std::puts("a row of GloVe is not finite"), 1;
    }
    std::vector<std::int64_t> starts(words.size() + 1);
    for (const Cooccurrence& pair : met) ++starts[pair.first + 1], starts[pair.second + 1] += pair.first != pair.second;
    for (std::size_t n = 0; n < words.size(); ++n) starts[n + 1] += starts[n];
    std::vector<std::int64_t> ends(starts.begin(), starts.end() - 1);
    const auto entries = static_cast<std::size_t>(starts.back());
    std::vector<std::uint32_t> columns(entries);
    std::vector<float> logs(entries), sums(words.size());
    fill_rows(met, ends, columns, logs);
    const std::size_t wide = kRowStep * (1 + below(3));
    Table<float> x(words.size() * wide, 1.0f), product(x.size());
    ppmi_product({starts, columns, logs}, sums, sums, x, product, wide, 1 + below(3));
  }
  return 0;
}
