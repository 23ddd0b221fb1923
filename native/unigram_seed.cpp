#include "unigram_seed.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <tuple>
#include <unordered_map>

#include "scripts.hpp"
#include "threads.hpp"
#include "utf8.hpp"

namespace idiolect {
namespace {

constexpr char32_t kSpaceMark = 0x2581, kUnknown = 0x2585;

/// The words one after another, and for a place in them the word it lies in.
class Texts {
 public:
  explicit Texts(std::span<const WeightedWord> words) : words_(words) {
    std::uint64_t total = 0;
    for (const WeightedWord& word : words) total += word.text.size();
    if (total >= 0xFFFFFFFF) throw std::invalid_argument("The different words take more than 4 GiB: learn from less text.");
    text_.reserve(total);
    starts_.reserve(words.size() + 1);
    for (const WeightedWord& word : words) {
      starts_.push_back(static_cast<std::uint32_t>(text_.size()));
      text_ += word.text;
      while (blocks_.size() * kBlock < text_.size()) blocks_.push_back(static_cast<std::uint32_t>(starts_.size() - 1));
    }
    starts_.push_back(static_cast<std::uint32_t>(text_.size()));
  }
  const std::string& text() const { return text_; }
  std::size_t size() const { return words_.size(); }
  std::uint32_t start(std::size_t word) const { return starts_[word]; }
  const WeightedWord& word(std::size_t n) const { return words_[n]; }
  std::size_t word_at(std::uint32_t place) const {
    std::size_t word = blocks_[place / kBlock];  // the word at the block's first byte
    while (starts_[word + 1] <= place) ++word;
    return word;
  }

 private:
  static constexpr std::size_t kBlock = 32;
  std::span<const WeightedWord> words_;
  std::string text_;
  std::vector<std::uint32_t> starts_, blocks_;
};

struct Suffix {
  std::uint64_t key;  // its next eight bytes, the first the most significant
  std::uint32_t place, end;
};

std::uint64_t eight_bytes(const std::string& text, std::uint32_t from, std::uint32_t end) {
  std::uint64_t key = 0;
  const std::uint32_t bytes = from < end ? std::min<std::uint32_t>(8, end - from) : 0;
  for (std::uint32_t i = 0; i < bytes; ++i) key |= std::uint64_t{static_cast<unsigned char>(text[from + i])} << (56 - 8 * i);
  return key;
}

/// Sorts suffixes that agree in their first `depth` bytes, up to their ends.
void sort_suffixes(const std::string& text, std::span<Suffix> suffixes, std::uint32_t depth, std::uint32_t most) {
  while (suffixes.size() > 1 && depth < most) {
    for (Suffix& suffix : suffixes) suffix.key = eight_bytes(text, suffix.place + depth, suffix.end);
    std::sort(suffixes.begin(), suffixes.end(), [](const Suffix& one, const Suffix& other) {
      return one.key != other.key ? one.key < other.key : one.place < other.place;
    });
    depth += 8;
    std::span<Suffix> longest;  // the largest run is gone on with here, the others by recursion: log n deep at most
    for (std::size_t first = 0; first < suffixes.size();) {
      std::size_t last = first + 1;
      bool goes_on = false;
      for (; last < suffixes.size() && suffixes[last].key == suffixes[first].key; ++last)
        goes_on = goes_on || suffixes[last].place + depth < suffixes[last].end;
      goes_on = goes_on || suffixes[first].place + depth < suffixes[first].end;
      if (last - first > 1 && goes_on) {
        std::span<Suffix> run = suffixes.subspan(first, last - first);
        if (run.size() > longest.size()) std::swap(run, longest);
        sort_suffixes(text, run, depth, most);
      }
      first = last;
    }
    suffixes = longest;
  }
}

std::uint32_t shared_prefix(const std::string& text, const Suffix& one, const Suffix& other, std::uint32_t most) {
  const std::uint32_t end = std::min({one.end - one.place, other.end - other.place, most});
  std::uint32_t length = 2;
  while (length < end && text[one.place + length] == text[other.place + length]) ++length;
  return length;
}

struct Candidate {
  std::uint32_t place;
  std::uint16_t bytes, characters;
  bool ends_sentence;
  std::uint64_t count;
};

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

/// The candidates among the substrings of one bucket, whose sorted suffixes these are.
void find_candidates(const Texts& texts, std::span<const Suffix> suffixes, const UnigramLimits& limits, std::uint32_t most,
                     std::vector<std::uint64_t>& counts, std::vector<Candidate>& found) {
  const std::string& text = texts.text();
  counts.assign(1, 0);  // of the suffixes before each
  for (const Suffix& suffix : suffixes)
    counts.push_back(counts.back() + static_cast<std::uint64_t>(texts.word(texts.word_at(suffix.place)).count));

  auto consider = [&](std::size_t first, std::size_t last, std::uint32_t depth) {
    const std::uint64_t count = counts[last + 1] - counts[first];
    if (count < 2) return;
    const std::uint32_t place = suffixes[first].place;
    const std::size_t number = texts.word_at(place);
    const std::uint32_t word_end = texts.start(number) + static_cast<std::uint32_t>(texts.word(number).word);
    bool ends_sentence = false;
    if (place + depth == word_end + 1 && text[word_end] == '\0') {  // "the" at the ends of sentences, one more interval
      --depth;
      ends_sentence = true;
    }
    if (place + depth > word_end) return;
    if (place + depth < word_end && (text[place + depth] & 0xC0) == 0x80) return;  // ends within a character
    const std::string_view piece = std::string_view(text).substr(place, depth);
    const std::size_t characters = characters_of(piece);
    if (characters <= 1 || characters > limits.max_piece_length || !may_be_piece(piece, limits)) return;
    found.push_back({place, static_cast<std::uint16_t>(depth), static_cast<std::uint16_t>(characters), ends_sentence, count});
  };

  struct Interval {
    std::size_t first;
    std::uint32_t depth;
  };
  auto alone = [&](const Suffix& suffix) -> std::uint32_t {
    const WeightedWord& word = texts.word(texts.word_at(suffix.place));
    return word.word == word.text.size() && suffix.end - suffix.place < most ? suffix.end - suffix.place : 0;
  };
  std::vector<Interval> open{{0, 0}};
  if (!suffixes.empty())
    if (const std::uint32_t whole = alone(suffixes[0]); whole > 0) open.push_back({0, whole});
  for (std::size_t i = 1; i <= suffixes.size(); ++i) {
    const std::uint32_t shared = i < suffixes.size() ? shared_prefix(text, suffixes[i - 1], suffixes[i], most) : 0;
    std::size_t first = i - 1;
    while (shared < open.back().depth) {
      const Interval closed = open.back();
      open.pop_back();
      first = closed.first;
      consider(closed.first, i - 1, closed.depth);
    }
    if (shared > open.back().depth) open.push_back({first, shared});
    if (i == suffixes.size()) break;
    // A word with nothing after it may be followed by anything: a branch begins at its end.
    if (const std::uint32_t whole = alone(suffixes[i]); whole > open.back().depth) open.push_back({i, whole});
  }
}

}  // namespace

bool may_be_piece(std::string_view piece, const UnigramLimits& limits) {
  constexpr int kAny = -1;
  int before = kAny;
  std::size_t characters = 0;
  bool has_digit = false;
  for (const char *at = piece.data(), *const end = at + piece.size(); at < end; ++characters) {
    const Character character = decode(at, end);
    at += character.bytes;
    const char32_t code = character.code;
    if (code == kUnknown || code == 0 || code == ' ' || code == kInvalid || characters == limits.max_piece_length) return false;
    if (code == kSpaceMark) {
      if (characters > 0) return false;
      continue;
    }
    const bool digit = (code >= '0' && code <= '9') || (code >= 0xFF10 && code <= 0xFF19);
    has_digit = has_digit || digit;
    int script = script_of(code);
    if (script == kInheritedScript) script = before;
    if (digit && !limits.split_numbers) script = kAny;
    if (limits.split_scripts && script != kAny && before != kAny && script != before) return false;
    before = script;
  }
  return characters > 0 && !(has_digit && limits.split_digits && characters > 1);
}

std::vector<Seed> unigram_seeds(std::span<const WeightedWord> words, const UnigramLimits& limits, std::size_t most,
                                std::size_t threads) {
  const Texts texts(words);
  const std::string& text = texts.text();
  const auto depth = static_cast<std::uint32_t>(4 * limits.max_piece_length + 2);  // the longest piece and what follows

  // Suffixes that begin with a character of a word, by their first two bytes.
  constexpr std::size_t kBuckets = 1 << 16;
  auto bucket_of = [&text](std::size_t at) {
    return std::size_t{static_cast<unsigned char>(text[at])} << 8 | static_cast<unsigned char>(text[at + 1]);
  };
  auto each_suffix = [&](auto&& use) {
    for (std::size_t n = 0; n < texts.size(); ++n) {
      const std::size_t start = texts.start(n), size = texts.word(n).text.size();
      for (std::size_t at = 0; at < texts.word(n).word && at + 1 < size; ++at)
        if ((text[start + at] & 0xC0) != 0x80) use(start + at);
    }
  };
  std::vector<std::uint32_t> ends(kBuckets + 1, 0);
  each_suffix([&](std::size_t at) { ++ends[bucket_of(at) + 1]; });
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) ends[bucket + 1] += ends[bucket];
  std::vector<std::uint32_t> places(ends.back());
  std::vector<std::uint32_t> next(ends.begin(), ends.end() - 1);
  each_suffix([&](std::size_t at) { places[next[bucket_of(at)]++] = static_cast<std::uint32_t>(at); });

  // The largest buckets first, so that no thread is left with one at the end.
  std::vector<std::uint32_t> order;
  for (std::uint32_t bucket = 0; bucket < kBuckets; ++bucket)
    if (ends[bucket + 1] - ends[bucket] > 0) order.push_back(bucket);
  auto size_of = [&ends](std::uint32_t bucket) { return ends[bucket + 1] - ends[bucket]; };
  std::stable_sort(order.begin(), order.end(), [&](auto one, auto other) { return size_of(one) > size_of(other); });

  threads = thread_count(threads);
  std::vector<std::vector<Candidate>> found(threads);
  struct Scratch {
    std::vector<Suffix> suffixes;
    std::vector<std::uint64_t> counts;
  };
  std::vector<Scratch> scratch(threads);
  parallel_for(order.size(), threads, [&](std::size_t n, std::size_t thread) {
    auto& [suffixes, counts] = scratch[thread];
    suffixes.clear();
    for (std::uint32_t i = ends[order[n]]; i < ends[order[n] + 1]; ++i) {
      const std::uint32_t place = places[i];
      const std::uint32_t end = texts.start(texts.word_at(place) + 1);
      suffixes.push_back({0, place, std::min(end, place + depth)});
    }
    sort_suffixes(text, suffixes, 2, depth);
    find_candidates(texts, suffixes, limits, depth, counts, found[thread]);
  });

  std::vector<Seed> seeds;
  std::vector<Seed> at_ends;
  for (auto& part : found) {
    for (const Candidate& candidate : part) {
      const std::string_view piece = std::string_view(text).substr(candidate.place, candidate.bytes);
      (candidate.ends_sentence ? at_ends : seeds).push_back({piece, candidate.count, static_cast<float>(candidate.characters)});
    }
    std::vector<Candidate>().swap(part);
  }
  if (!at_ends.empty()) {  // the same piece came twice, or not at all: the counts add
    std::unordered_map<std::string_view, std::uint64_t> more;
    for (const Seed& seed : at_ends) more[seed.piece] += seed.count;
    for (Seed& seed : seeds)
      if (const auto at = more.find(seed.piece); at != more.end()) {
        seed.count += at->second;
        more.erase(at);
      }
    for (const Seed& seed : at_ends)
      if (const auto at = more.find(seed.piece); at != more.end()) {
        seeds.push_back({seed.piece, at->second, seed.score});
        more.erase(at);
      }
  }
  for (Seed& seed : seeds) seed.score = static_cast<float>(seed.count) * seed.score;
  auto before = [](const Seed& one, const Seed& other) {
    return std::tuple(other.score, other.piece.size(), one.piece) < std::tuple(one.score, one.piece.size(), other.piece);
  };
  if (seeds.size() > most) {
    std::nth_element(seeds.begin(), seeds.begin() + static_cast<std::ptrdiff_t>(most), seeds.end(), before);
    seeds.resize(most);
  }
  std::sort(seeds.begin(), seeds.end(), before);
  // The text goes with this function: a seed lies in the word where it was found.
  for (Seed& seed : seeds) {
    const auto place = static_cast<std::uint32_t>(seed.piece.data() - text.data());
    const std::size_t number = texts.word_at(place);
    seed.piece = texts.word(number).text.substr(place - texts.start(number), seed.piece.size());
  }
  return seeds;
}

}  // namespace idiolect
