// Random and mutated input for the native core, to be built with address and undefined-behaviour sanitizers.
//
//     fuzz_tokenizers ROUNDS SEED
//
// Every round makes a text (random bytes, repeats, mutated pieces of real scripts), cuts it by every pattern, counts its
// words, learns merges and a unigram model, encodes with them, and checks what must hold whatever the input: words put together are the
// text, bytes come back, lengths add up, any number of threads gives the same. Then it offers settings that are wrong in
// some way: they may be refused with std::invalid_argument, and nothing else may happen.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bpe_alphabet.hpp"
#include "bpe_encode.hpp"
#include "bpe_learn.hpp"
#include "split.hpp"
#include "text_cuts.hpp"
#include "unigram_encode.hpp"
#include "unigram_learn.hpp"
#include "unigram_paths.hpp"
#include "unigram_words.hpp"
#include "words.hpp"

using namespace idiolect;

namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

#define CHECK(what)                                                          \
  do {                                                                       \
    if (!(what)) {                                                           \
      std::fprintf(stderr, "does not hold: %s (line %d)\n", #what, __LINE__); \
      std::abort();                                                          \
    }                                                                        \
  } while (false)

constexpr Pattern kPatterns[] = {Pattern::gpt2,  Pattern::cl100k,     Pattern::o200k,     Pattern::llama3,
                                 Pattern::qwen2, Pattern::whitespace, Pattern::metaspace, Pattern::none};

constexpr std::string_view kSeeds[] = {
    "It's the 'quick' brown fox's 3.14159 o'clock, don't you'LL we'\xC5\xBF see?",
    "\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C\xEF\xBC\x8C\xE3\x81\x93\xE3\x82\x93",
    "na\xC3\xAFve caf\xC3\xA9 e\xCC\x81 \xC2\xA0 \xE2\x80\xA8\xC2\x85 \xF0\x9F\x98\x80\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
    "\xE2\x96\x81the\xE2\x96\x81\xE2\x96\x81" "cat\xE2\x96\x81",
    "\n\n \t\r\n  x\n \r \v\f y   ",
    "<|endoftext|><0x41><unk></s>",
    "\xFF\xFE\xC0\x80\xED\xA0\x80\xF4\x90\x80\x80\xE2\x96",
};

std::string random_text(Random& random) {
  std::string text;
  const std::size_t pieces = random.below(6);
  for (std::size_t n = 0; n < pieces; ++n) {
    switch (random.below(4)) {
      case 0:
        for (std::uint64_t left = random.below(20); left > 0; --left) text.push_back(static_cast<char>(random.next()));
        break;
      case 1:
        text.append(random.below(200), "a \n1'\xE2"[random.below(6)]);
        break;
      case 2: {  // a stretch of a seed, cut anywhere
        const std::string_view seed = kSeeds[random.below(std::size(kSeeds))];
        const std::size_t from = random.below(seed.size());
        text += seed.substr(from, 1 + random.below(seed.size() - from));
        break;
      }
      default:  // a seed with some bytes changed
        std::string seed(kSeeds[random.below(std::size(kSeeds))]);
        for (std::uint64_t left = random.below(4); left > 0; --left)
          seed[random.below(seed.size())] = static_cast<char>(random.next());
        text += seed;
    }
  }
  return text;
}

void check_patterns(const std::string& text) {
  for (const Pattern pattern : kPatterns) {
    std::string together;
    split(pattern, text, [&](std::string_view word) {
      CHECK(!word.empty());
      together += word;
    });
    CHECK(together == text);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t cut = next_cut(pattern, false, text, at);
      CHECK(cut >= at && cut <= text.size());
      at = cut + 1;
    }
  }
}

std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

BpeSettings settings_of(const LearntTokens& tokens, Pattern pattern) {
  BpeSettings settings;
  settings.pieces = tokens.alphabet;
  for (const auto& [left, right] : tokens.learnt.merges) {
    settings.merges.emplace_back(left, right);
    settings.merged.push_back(static_cast<std::uint32_t>(settings.pieces.size()));
    settings.pieces.push_back(settings.pieces[left] + settings.pieces[right]);
  }
  settings.special.assign(settings.pieces.size(), false);
  settings.pattern = pattern;
  return settings;
}

void check_learning_and_encoding(Random& random, const std::vector<std::string>& texts) {
  const Pattern pattern = kPatterns[random.below(std::size(kPatterns))];
  std::vector<std::string_view> views(texts.begin(), texts.end());
  CountedWords counted[2];
  for (const std::size_t threads : {1, 2}) {
    WordCounter counter(pattern, threads, random.below(8) == 0 ? 1 << 20 : 0);
    counter.add(views);
    counted[threads - 1] = counter.finish();
  }
  CHECK(counted[0].bytes == counted[1].bytes && counted[0].counts == counted[1].counts);
  LearnOptions options;
  options.tie = static_cast<Tie>(random.below(3));
  options.longest = random.below(2) ? 0 : 2 + random.below(6);
  options.min_frequency = 1 + static_cast<std::int64_t>(random.below(3));
  const LearntTokens tokens = learn_from_bytes(counted[0], all_bytes(), 256 + random.below(60), options);
  const BpeEncoder encoder(settings_of(tokens, pattern));
  const Encoded one = encoder.encode(views, 1, false), two = encoder.encode(views, 2, false);
  CHECK(one.starts == two.starts && one.starts.size() == texts.size() + 1);
  const std::vector<std::string>& pieces = encoder.model().settings().pieces;
  Encoded& mutable_one = const_cast<Encoded&>(one);
  Encoded& mutable_two = const_cast<Encoded&>(two);
  for (std::size_t n = 0; n < texts.size(); ++n) {
    std::string back;
    for (std::int64_t at = one.starts[n]; at < one.starts[n + 1]; ++at) {
      CHECK(mutable_one.ids.data()[at] == mutable_two.ids.data()[at]);
      back += pieces.at(mutable_one.ids.data()[at]);
    }
    CHECK(back == texts[n]);
    const auto [ids, lengths] = encoder.encode_lengths(texts[n]);
    CHECK(ids.size() == lengths.size());
    std::size_t bytes = 0;
    for (std::size_t at = 0; at < ids.size(); ++at) {
      CHECK(lengths[at] == pieces.at(ids[at]).size());
      bytes += lengths[at];
    }
    CHECK(bytes == texts[n].size());
    std::string sampled;
    for (const std::uint32_t id : encoder.sample(texts[n], 0.3, random.next())) sampled += pieces.at(id);
    CHECK(sampled == texts[n]);
  }
}

void offer_wrong_settings(Random& random, const std::string& text) {
  BpeSettings settings;
  const std::size_t pieces = random.below(300);
  for (std::size_t n = 0; n < pieces; ++n)
    settings.pieces.push_back(n < 256 && random.below(50) ? std::string(1, static_cast<char>(n)) : random_text(random));
  settings.special.assign(random.below(10) ? pieces : random.below(400), random.below(20) == 0);
  for (std::uint64_t left = random.below(20); left > 0; --left) {
    settings.merges.emplace_back(random.below(310), random.below(310));
    if (random.below(50)) settings.merged.push_back(static_cast<std::uint32_t>(random.below(310)));
  }
  settings.characters = random.below(2);
  if (random.below(2))
    for (int byte = 0; byte < 256; ++byte) settings.byte_ids.push_back(static_cast<std::uint32_t>(random.below(300)));
  settings.unknown = random.below(2) ? kNoToken : static_cast<std::uint32_t>(random.below(300));
  settings.ignore_merges = random.below(2);
  settings.rank_by_piece = random.below(2);
  settings.fuse_unknown = random.below(2);
  for (std::uint64_t left = random.below(2) * random.below(9); left > 0; --left)
    settings.unused.push_back(static_cast<std::uint32_t>(random.below(310)));
  settings.pattern = kPatterns[random.below(std::size(kPatterns))];
  try {
    const BpeEncoder encoder(std::move(settings));
    const std::string_view view = text;
    encoder.encode({&view, 1}, 1, random.below(2));
    encoder.encode_lengths(text);
  } catch (const std::invalid_argument&) {
  }
}

void check_unigram(Random& random, const std::vector<std::string>& texts) {
  std::vector<std::string_view> views;
  for (const std::string& text : texts)
    if (first_fault(text) == std::string_view::npos) views.push_back(text);  // it reads Python's strings, which are UTF-8
  if (views.empty()) return;
  UnigramWords words({random.below(2) == 1, random.below(2) == 1, true, random.below(2) == 1, random.below(2) == 1, 0}, 1);
  words.add(views);
  UnigramLearning learning;
  learning.pieces = 1 + random.below(80);
  learning.seeds = 10 + random.below(500);
  learning.coverage = random.below(2) ? 0.98 : 1.0;
  learning.like_sentencepiece = random.below(2);
  learning.shards = 1 + random.below(4);
  learning.threads = 1 + random.below(2);
  learning.limits.max_piece_length = 1 + random.below(12);
  UnigramSettings settings;
  try {
    const UnigramPieces learnt = learn_unigram(words.counts(), learning);
    settings.pieces = {"<unk>"};
    settings.scores = {0};
    settings.kinds = {PieceKind::unknown};
    for (const auto& [piece, score] : learnt.pieces) {
      settings.pieces.push_back(piece);
      settings.scores.push_back(score);
      settings.kinds.push_back(random.below(40) ? PieceKind::normal : PieceKind::user_defined);
    }
  } catch (const std::invalid_argument&) {
    return;
  }
  settings.prefix_space = settings.mark = true;
  settings.collapse_spaces = random.below(2);
  try {
    const UnigramEncoder encoder(settings);
    Encoded one = encoder.encode(views, 1), two = encoder.encode(views, 2);
    CHECK(one.starts == two.starts && one.ids.size() == two.ids.size());
    for (std::size_t at = 0; at < one.ids.size(); ++at) {
      CHECK(one.ids.data()[at] == two.ids.data()[at] && one.ids.data()[at] < settings.pieces.size());
    }
    const std::string_view text = views[0].substr(0, 60);
    double before = 0;
    for (const auto& [ids, score] : unigram_nbest(encoder, text, 1 + random.below(4))) {
      CHECK(score <= before + 1e-3 || before == 0);
      before = score;
    }
    unigram_sample(encoder, text, 0.3, random.next(), random.below(3));
    unigram_log_likelihood(encoder, text, random.below(2));
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace

int main(int count, char** words) {
  const long rounds = count > 1 ? std::strtol(words[1], nullptr, 10) : 1000;
  Random random(count > 2 ? std::strtoull(words[2], nullptr, 10) : 0);
  for (long round = 0; round < rounds; ++round) {
    std::vector<std::string> texts;
    for (std::uint64_t left = 1 + random.below(4); left > 0; --left) texts.push_back(random_text(random));
    check_patterns(texts[0]);
    check_learning_and_encoding(random, texts);
    check_unigram(random, texts);
    offer_wrong_settings(random, texts[0]);
  }
  std::printf("%ld rounds\n", rounds);
}
