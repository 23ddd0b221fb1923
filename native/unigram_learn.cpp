#include "unigram_learn.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

#include "threads.hpp"
#include "unigram_model.hpp"
#include "unigram_sums.hpp"
#include "utf8.hpp"

namespace idiolect {
namespace {

using Counted = std::pair<std::string, std::int64_t>;
constexpr char32_t kUnknown = 0x2585;
constexpr std::string_view kUnknownBytes = "\xE2\x96\x85";

/// How long the word itself is: up to NUL, after which stands what follows it.
std::size_t word_length(std::string_view text) { return std::min(text.find('\0'), text.size()); }

/// Characters by count, asked-for ones before all others, until `coverage` of the text is covered.
RequiredCharacters required_characters(const std::vector<Counted>& words, const UnigramLearning& options) {
  struct Occurrence {
    bool asked = false;
    std::int64_t count = 0;
  };
  std::unordered_map<char32_t, Occurrence> seen;
  for (char32_t code : options.required)
    if (code != 0) seen[code].asked = true;
  std::vector<std::int64_t> ascii(128, 0);
  std::int64_t all = 0;
  for (const auto& [text, count] : words) {
    const char* const end = text.data() + word_length(text);
    for (const char* at = text.data(); at < end;) {
      const Character character = decode(at, end);
      at += character.bytes;
      if (character.code == kUnknown || character.code == kInvalid) continue;
      (character.code < 128 ? ascii[character.code] : seen[character.code].count) += count;
      all += count;
    }
  }
  for (char32_t code = 0; code < 128; ++code)
    if (ascii[code] > 0) seen[code].count += ascii[code];
  if (all == 0) throw std::invalid_argument("The text is empty: there are no words to learn from.");
  std::vector<std::pair<char32_t, Occurrence>> sorted(seen.begin(), seen.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& one, const auto& other) {
    if (one.second.asked != other.second.asked) return one.second.asked;
    if (one.second.count != other.second.count) return one.second.count > other.second.count;
    return one.first < other.first;
  });
  RequiredCharacters required;
  std::int64_t covered = 0;
  for (const auto& [code, occurrence] : sorted) {
    const auto coverage = static_cast<float>(1.0 * static_cast<double>(covered) / static_cast<double>(all));
    if (coverage >= static_cast<float>(options.coverage)) break;
    covered += occurrence.count;
    if (code != 0x1F) required.emplace_back(code, occurrence.count);  // SentencePiece's border between pre-tokens
  }
  return required;
}

/// Replaces every other character by U+2585, which no piece can have.
void replace_rare(std::vector<Counted>& words, const RequiredCharacters& required) {
  std::unordered_set<char32_t> known;
  bool ascii[128] = {};
  for (const auto& [code, count] : required) code < 128 ? void(ascii[code] = true) : void(known.insert(code));
  for (auto& [text, count] : words) {
    std::string written;
    const std::size_t length = word_length(text);
    const char* const end = text.data() + text.size();
    bool changed = false;
    for (const char* at = text.data(); at < end;) {
      const Character character = decode(at, end);
      const bool border = static_cast<std::size_t>(at - text.data()) == length;  // the NUL after the word
      const bool is_known = border || (character.code < 128 ? ascii[character.code] : known.contains(character.code));
      if (!is_known && !changed) {
        written.assign(text, 0, static_cast<std::size_t>(at - text.data()));
        changed = true;
      }
      if (changed) written += is_known ? std::string_view(at, character.bytes) : kUnknownBytes;
      at += character.bytes;
    }
    if (changed) text = std::move(written);
  }
}

/// Sorts words by their bytes, sixteen of which are compared at once.
void sort_words(std::vector<Counted>& words, std::size_t threads) {
  struct Key {
    std::uint64_t first, second;
    std::uint32_t word;
  };
  auto eight = [](std::string_view text, std::size_t from) {
    std::uint64_t bytes = 0;
    for (std::size_t i = from; i < from + 8; ++i) bytes = bytes << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0);
    return bytes;
  };
  auto before = [&words](const Key& one, const Key& other) {
    if (one.first != other.first) return one.first < other.first;
    return one.second != other.second ? one.second < other.second : words[one.word].first < words[other.word].first;
  };
  std::vector<Key> keys(words.size());
  const std::size_t part = words.size() / threads + 1;
  auto place = [&](std::size_t n) { return keys.begin() + static_cast<std::ptrdiff_t>(std::min(keys.size(), n * part)); };
  parallel_for(threads, threads, [&](std::size_t n, std::size_t) {
    for (auto key = place(n); key < place(n + 1); ++key) {
      const auto word = static_cast<std::uint32_t>(key - keys.begin());
      *key = {eight(words[word].first, 0), eight(words[word].first, 8), word};
    }
    std::sort(place(n), place(n + 1), before);
  });
  for (std::size_t n = 1; n < threads; ++n) std::inplace_merge(keys.begin(), place(n), place(n + 1), before);
  std::vector<Counted> sorted;
  sorted.reserve(words.size());
  for (const Key& key : keys) sorted.push_back(std::move(words[key.word]));
  words = std::move(sorted);
}

/// Makes one of equal neighbours.
void merge_equal(std::vector<Counted>& words) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (kept > 0 && words[kept - 1].first == words[i].first) {
      words[kept - 1].second += words[i].second;
    } else {
      if (kept != i) words[kept] = std::move(words[i]);
      ++kept;
    }
  }
  words.resize(kept);
}

/// Gives an empty model its pieces, with their scores, and the trie of them. `texts` is where they lie.
void set_pieces(UnigramModel& model, std::vector<std::string>& texts, std::vector<std::pair<std::string, float>> all) {
  texts.reserve(all.size());
  std::vector<std::uint32_t> order(all.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    order[i] = i;
    texts.push_back(std::move(all[i].first));
    model.pieces.push_back(texts.back());
    model.scores.push_back(all[i].second);
    model.lengths.push_back(static_cast<std::uint16_t>(
        std::count_if(texts.back().begin(), texts.back().end(), [](char byte) { return (byte & 0xC0) != 0x80; })));
  }
  std::sort(order.begin(), order.end(), [&](auto one, auto other) { return model.pieces[one] < model.pieces[other]; });
  std::vector<std::string_view> sorted;
  model.keys.resize(order.size());
  for (std::uint32_t key = 0; key < order.size(); ++key) {
    sorted.push_back(model.pieces[order[key]]);
    model.keys[order[key]] = key;
  }
  model.piece_of = order;
  model.trie = Trie(sorted);
}

/// The seeds of these words: first the characters by count, then longer pieces; and their trie.
void start_from_seeds(UnigramModel& model, std::vector<std::string>& texts, std::vector<Counted>& words,
                      const RequiredCharacters& required, const UnigramLearning& options) {
  // What follows a word decides where substrings branch: a mark (of which the first byte does), or the end of a sentence.
  if (options.like_sentencepiece)
    for (auto& [text, count] : words) text.resize(std::min(text.size(), word_length(text) + 2));
  sort_words(words, options.threads);
  merge_equal(words);
  if (options.like_sentencepiece)
    for (auto& [text, count] : words)
      if (word_length(text) == text.size()) text += '\xE2';
  std::vector<WeightedWord> weighted;
  weighted.reserve(words.size());
  for (const auto& [text, count] : words)
    weighted.push_back({text, options.like_sentencepiece ? std::min(word_length(text), text.size() - 1) : text.size(), count});
  const std::vector<Seed> seeds = unigram_seeds(weighted, options.limits, options.seeds, options.threads);

  std::vector<std::pair<std::string, float>> all;
  RequiredCharacters characters = required;
  std::stable_sort(characters.begin(), characters.end(), [](const auto& one, const auto& other) {
    return one.second != other.second ? one.second > other.second : one.first < other.first;
  });
  for (const auto& [code, count] : characters)
    if (count > 0) all.emplace_back(utf8_of(code), static_cast<float>(count));
  for (const Seed& seed : seeds) all.emplace_back(std::string(seed.piece), seed.score);
  double sum = 0.0;
  for (const auto& [piece, score] : all) sum += score;
  const double log_sum = std::log(sum);
  for (auto& [piece, score] : all) score = static_cast<float>(std::log(static_cast<double>(score)) - log_sum);
  set_pieces(model, texts, std::move(all));
}

/// The lattices of words, which are sorted and distinct.
void build_lattices(UnigramModel& model, std::vector<Counted>& words, const UnigramLearning& options) {
  std::vector<std::uint32_t> by_count(words.size());
  std::iota(by_count.begin(), by_count.end(), 0);
  std::stable_sort(by_count.begin(), by_count.end(), [&](auto one, auto other) { return words[one].second > words[other].second; });
  if (options.like_sentencepiece) share_words(model, words, by_count, options.shards, options.threads);
  model.shards.resize(options.shards);
  parallel_for(options.shards, options.threads, [&](std::size_t shard, std::size_t) {
    Lattices& lattices = model.shards[shard];
    for (std::size_t n = shard; n < words.size(); n += options.shards)
      lattices.add(model.trie, words[by_count[n]].first, words[by_count[n]].second);
    for (std::uint32_t& edge : lattices.edges)
      if (edge != kUnknownEdge) edge = model.piece_of[edge];
    lattices.edges.shrink_to_fit();
  });
  std::vector<Counted>().swap(words);
}

}  // namespace

void UnigramModel::keep(const std::vector<std::uint32_t>& kept, const std::vector<float>& new_scores) {
  std::vector<std::uint32_t> now(size() + 1, kDropped);
  for (std::uint32_t i = 0; i < size(); ++i)
    if (lengths[i] == 1) now[i] = kUnknownEdge;
  now.back() = kUnknownEdge;
  std::vector<std::string_view> new_pieces;
  std::vector<std::uint16_t> new_lengths;
  std::vector<std::uint32_t> new_keys;
  for (std::uint32_t i = 0; i < kept.size(); ++i) {
    now[kept[i]] = i;
    new_pieces.push_back(pieces[kept[i]]);
    new_lengths.push_back(lengths[kept[i]]);
    new_keys.push_back(keys[kept[i]]);
  }
  for (std::uint32_t old = 0; old < size(); ++old) piece_of[keys[old]] = now[old] == kUnknownEdge ? kDropped : now[old];
  for (std::vector<std::uint32_t>* before : {&shards_now, &beginnings_now, &endings_now}) {
    if (before->empty()) {
      *before = now;
      continue;
    }
    for (std::uint32_t& piece : *before)
      if (piece < size()) piece = now[piece];
  }
  pieces = std::move(new_pieces);
  lengths = std::move(new_lengths);
  keys = std::move(new_keys);
  scores = new_scores;
}

double digamma(double x) {
  double result = 0.0;
  for (; x < 7; ++x) result -= 1 / x;
  x -= 1.0 / 2.0;
  const double xx = 1.0 / x, xx2 = xx * xx, xx4 = xx2 * xx2;
  return result + (std::log(x) + (1.0 / 24.0) * xx2 - (7.0 / 960.0) * xx4 + (31.0 / 8064.0) * xx4 * xx2 -
                   (127.0 / 30720.0) * xx4 * xx4);
}

UnigramPieces learn_unigram(std::vector<Counted> words, const UnigramLearning& asked, const std::function<void()>& stop) {
  UnigramLearning options = asked;
  if (options.limits.max_piece_length < 1 || options.limits.max_piece_length > 512)
    throw std::invalid_argument("The longest piece must have 1 to 512 characters.");
  if (!(options.shrinking >= 0.5 && options.shrinking <= 0.95))
    throw std::invalid_argument("The share of pieces that a pruning keeps must be 0.5 to 0.95.");
  if (!(options.coverage >= 0.98 && options.coverage <= 1.0))
    throw std::invalid_argument("The character coverage must be 0.98 to 1.");
  if (options.sub_iterations < 1 || options.sub_iterations > 10)
    throw std::invalid_argument("There must be 1 to 10 EM steps between prunings.");
  if (options.shards < 1 || options.shards > 1024) throw std::invalid_argument("There must be 1 to 1024 shards.");
  for (const auto& [text, count] : words)
    if (count < 1) throw std::invalid_argument("A word has a count below 1.");
  options.threads = thread_count(options.threads);
  if (options.target == 0) options.target = options.pieces;

  const RequiredCharacters required = required_characters(words, options);
  if (required.size() > options.pieces)
    throw std::invalid_argument("The text has " + std::to_string(required.size()) +
                                " different characters to cover, which is more than the " + std::to_string(options.pieces) +
                                " pieces to learn: ask for a larger vocabulary or a lower character coverage.");
  replace_rare(words, required);
  UnigramModel model;
  std::vector<std::string> texts;
  start_from_seeds(model, texts, words, required, options);
  stop();
  if (options.like_sentencepiece)  // what follows a word need no longer be known
    for (auto& [text, count] : words) text.resize(std::min(word_length(text), text.size() - 1));
  merge_equal(words);  // still sorted: what followed came after NUL or after nothing
  build_lattices(model, words, options);
  stop();
  if (options.like_sentencepiece) return {learn_like_sentencepiece(model, required, options, stop), {}};
  return learn_fast(model, required, options, stop);
}

UnigramExpectation unigram_expectation(std::vector<std::pair<std::string, float>> pieces, std::vector<Counted> words,
                                       std::size_t shards, std::size_t threads) {
  auto must_be_text = [](std::string_view text) {
    for (const char *at = text.data(), *const end = at + text.size(); at < end;) {
      const Character character = decode(at, end);
      if (character.code == kInvalid) throw std::invalid_argument("A piece or a word is not UTF-8.");
      at += character.bytes;
    }
  };
  for (const auto& [text, score] : pieces) must_be_text(text);
  for (const auto& [text, count] : words) must_be_text(text);
  if (pieces.empty()) throw std::invalid_argument("There are no pieces.");
  if (shards < 1 || shards > 1024) throw std::invalid_argument("There must be 1 to 1024 shards.");
  UnigramLearning options;
  options.like_sentencepiece = true;
  options.shards = shards;
  options.threads = thread_count(threads);
  UnigramModel model;
  std::vector<std::string> texts;
  set_pieces(model, texts, std::move(pieces));
  sort_words(words, options.threads);
  merge_equal(words);
  build_lattices(model, words, options);
  UnigramSums sums(model, options.threads);
  UnigramExpectation expectation{sums.total(sums.expected()), 0.0};
  expectation.log_likelihood = sums.log_likelihood();
  return expectation;
}

}  // namespace idiolect
