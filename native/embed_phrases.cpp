#include "embed_phrases.hpp"

#include <algorithm>
#include <stdexcept>

namespace idiolect {

std::size_t PairTable::place_of(std::uint64_t key) const {
  std::uint64_t hash = (key ^ key >> 29) * 0xBF58476D1CE4E5B9u;
  hash ^= hash >> 32;
  std::size_t place = hash & (entries_.size() - 1);
  while (entries_[place].key != kFree && entries_[place].key != key) place = (place + 1) & (entries_.size() - 1);
  return place;
}

std::int64_t& PairTable::operator[](std::uint64_t key) {
  std::size_t place = place_of(key);
  if (entries_[place].key == kFree) {
    if (2 * ++size_ > entries_.size()) {
      rebuild(2 * entries_.size(), 0);
      ++size_;  // the new one
      place = place_of(key);
    }
    entries_[place].key = key;
  }
  return entries_[place].value;
}

const std::int64_t* PairTable::find(std::uint64_t key) const {
  const Entry& entry = entries_[place_of(key)];
  return entry.key == key ? &entry.value : nullptr;
}

void PairTable::forget(std::int64_t most) { rebuild(entries_.size(), most); }

void PairTable::rebuild(std::size_t places, std::int64_t forgotten) {
  std::vector<Entry> old(places);
  old.swap(entries_);
  size_ = 0;
  for (const Entry& entry : old) {
    if (entry.key == kFree || entry.value <= forgotten) continue;
    entries_[place_of(entry.key)] = entry;
    ++size_;
  }
}

PairCounter::PairCounter(std::size_t most) : most_(most) {
  if (most < 1024) throw std::invalid_argument("At least 1,024 pairs of words must be held.");
}

void PairCounter::add(std::span<const std::int32_t> ids) {
  for (std::int32_t id : ids) {
    if (id >= 0 && last_ >= 0) ++table_[PairTable::key_of(last_, id)];
    last_ = id;
    while (table_.size() > most_) table_.forget(++forgotten_);
  }
}

std::vector<WordPair> PairCounter::phrases(std::span<const std::int64_t> counts, std::int64_t least,
                                           double threshold) const {
  double total = 0;
  for (std::int64_t count : counts) total += static_cast<double>(count);
  std::vector<WordPair> found;
  table_.each([&](const PairTable::Entry& entry) {
    const std::size_t first = entry.key >> 32, second = entry.key & 0xFFFFFFFF;
    if (first >= counts.size() || second >= counts.size()) throw std::invalid_argument("There is no word of this number.");
    const double chance = static_cast<double>(counts[first]) * static_cast<double>(counts[second]);
    const auto count = static_cast<double>(entry.value - least);
    if (count >= 0 && count / chance * total > threshold) {
      found.emplace_back(static_cast<std::int32_t>(first), static_cast<std::int32_t>(second));
    }
  });
  std::sort(found.begin(), found.end());
  return found;
}

PhraseJoiner::PhraseJoiner(const std::vector<WordPair>& phrases, std::int32_t first) {
  for (const auto& [one, other] : phrases) table_[PairTable::key_of(one, other)] = first++;
}

std::vector<std::int32_t> PhraseJoiner::join(std::span<const std::int32_t> ids) {
  std::vector<std::int32_t> joined;
  joined.reserve(ids.size() + 1);
  for (std::int32_t id : ids) {
    const std::int64_t* phrase = held_ >= 0 && id >= 0 ? table_.find(PairTable::key_of(held_, id)) : nullptr;
    if (phrase) {
      joined.push_back(static_cast<std::int32_t>(*phrase));
      held_ = -1;
      continue;
    }
    if (held_ >= 0) joined.push_back(held_);
    if (id < 0) joined.push_back(id);
    held_ = id < 0 ? -1 : id;
  }
  return joined;
}

}  // namespace idiolect
