#include "embed_words.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <stdexcept>

#include "embed_train.hpp"
#include "threads.hpp"

namespace idiolect {
namespace {

constexpr std::array<std::pair<std::string_view, WordRule>, 3> kRules{
    {{"letters", WordRule::letters}, {"words", WordRule::words}, {"spaces", WordRule::spaces}}};

constexpr std::size_t kPiece = 1 << 16;  // bytes of text that a thread takes at a time, in whole texts

/// The texts in pieces: where each begins, and the end.
std::vector<std::size_t> pieces_of(std::span<const std::string_view> texts) {
  std::vector<std::size_t> starts = {0};
  std::size_t bytes = 0;
  for (std::size_t n = 0; n < texts.size(); ++n) {
    bytes += texts[n].size();
    if (bytes >= kPiece || n + 1 == texts.size()) {
      starts.push_back(n + 1);
      bytes = 0;
    }
  }
  return starts;
}

}  // namespace

WordRule word_rule_of(std::string_view name) {
  std::string names;
  for (const auto& [known, rule] : kRules) {
    if (known == name) return rule;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  throw std::invalid_argument("There is no rule for words named '" + std::string(name) + "': choose one of " + names + ".");
}

void count_words(WordCounter& counter, WordRule rule, std::span<const std::string_view> texts) {
  std::vector<std::string_view> words;
  for (std::string_view text : texts) each_word(rule, text, [&](std::string_view word) { words.push_back(word); });
  counter.add(words);
}

std::vector<std::size_t> frequent(const CountedWords& counted, std::int64_t least) {
  std::vector<std::size_t> places;
  for (std::size_t n = 0; n < counted.size(); ++n) {
    if (counted.counts[n] >= least) places.push_back(n);
  }
  std::stable_sort(places.begin(), places.end(),
                   [&](std::size_t a, std::size_t b) { return counted.counts[a] > counted.counts[b]; });
  return places;
}

WordIds::WordIds(std::vector<std::string> words)
    : words_(std::move(words)), entries_(std::bit_ceil(words_.size() * 2 + 2)) {
  for (std::size_t n = 0; n < words_.size(); ++n) {
    const std::uint64_t hash = hash_of(words_[n]);
    std::size_t place = hash & (entries_.size() - 1);
    for (; entries_[place].id >= 0; place = (place + 1) & (entries_.size() - 1)) {
      if (words_[static_cast<std::size_t>(entries_[place].id)] == words_[n]) {
        throw std::invalid_argument("The word '" + words_[n] + "' stands in the list twice.");
      }
    }
    entries_[place] = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::int32_t>(n)};
  }
}

std::uint64_t WordIds::hash_of(std::string_view word) { return std::hash<std::string_view>{}(word); }

std::int32_t WordIds::operator[](std::string_view word) const {
  const std::uint64_t hash = hash_of(word);
  for (std::size_t place = hash & (entries_.size() - 1);; place = (place + 1) & (entries_.size() - 1)) {
    const Entry& entry = entries_[place];
    if (entry.id < 0) return kRareWord;
    if (entry.tag == hash >> 32 && words_[static_cast<std::size_t>(entry.id)] == word) return entry.id;
  }
}

std::vector<std::int32_t> WordIds::ids(WordRule rule, std::span<const std::string_view> texts,
                                       std::size_t threads) const {
  const std::vector<std::size_t> starts = pieces_of(texts);
  std::vector<std::vector<std::int32_t>> parts(starts.size() - 1);
  parallel_for(parts.size(), threads, [&](std::size_t piece, std::size_t) {
    for (std::size_t n = starts[piece]; n < starts[piece + 1]; ++n) {
      each_word(rule, texts[n], [&](std::string_view word) { parts[piece].push_back((*this)[word]); });
      parts[piece].push_back(kEndOfText);
    }
  });
  std::vector<std::int32_t> all;
  std::size_t size = 0;
  for (const auto& part : parts) size += part.size();
  all.reserve(size);
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace idiolect
