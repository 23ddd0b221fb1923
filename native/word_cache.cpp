#include "word_cache.hpp"

#include <algorithm>

namespace idiolect {

void WordCache::keep(const WordKey& key, std::uint64_t hash, std::span<const std::uint32_t> ids) {
  if (++kept_ > lines_.size() / 2 * 3 && lines_.size() < kMostLines) grow();
  Entry entry{key.low, key.high};
  if (ids.size() <= kInline) {
    entry.high |= std::uint64_t{ids.size()} << 60;
    std::copy(ids.begin(), ids.end(), entry.ids);
  } else {
    if (more_.size() + ids.size() > kMostIds) {
      more_.clear();
      std::fill(lines_.begin(), lines_.end(), Line{});
      kept_ = 0;
    }
    entry.ids[0] = static_cast<std::uint32_t>(more_.size());
    entry.ids[1] = static_cast<std::uint32_t>(ids.size());
    more_.insert(more_.end(), ids.begin(), ids.end());
  }
  put(lines_[hash & (lines_.size() - 1)], entry);
}

void WordCache::grow() {
  Table<Line> old(std::min(lines_.size() * kGrowth, kMostLines));
  old.swap(lines_);
  for (const Line& line : old) {
    for (const Entry& entry : line.entries) {
      if (!entry.high) continue;
      const WordKey key{entry.low, entry.high << 4 >> 4};
      put(lines_[key.hash() & (lines_.size() - 1)], entry);
    }
  }
}

std::uint64_t WordCache::hash_of(std::string_view word) {
  std::uint64_t hash = word.size();
  for (std::size_t at = 0; at < word.size(); at += WordKey::kLongest) {
    WordKey key = WordKey::of(word.substr(at, WordKey::kLongest), false);
    key.low ^= hash;
    hash = key.hash();
  }
  return hash;
}

std::span<const std::uint32_t> WordCache::find_long(std::string_view word) const {
  if (long_lines_.empty()) return {};
  const std::uint64_t hash = hash_of(word);
  const LongEntry& entry = long_lines_[hash & (kLongLines - 1)];
  if (entry.tag != hash >> 32 || entry.bytes != word.size()) return {};
  const std::uint32_t* place = long_.data() + entry.place;
  if (std::memcmp(place, word.data(), word.size()) != 0) return {};
  return {place + (word.size() + 3) / 4, entry.ids};
}

void WordCache::keep_long(std::string_view word, std::span<const std::uint32_t> ids) {
  const std::size_t words = (word.size() + 3) / 4;
  if (long_lines_.empty() || long_.size() + words + ids.size() > kLongIds) {
    long_.clear();
    long_lines_.assign(kLongLines, {});
  }
  const std::uint64_t hash = hash_of(word);
  const std::size_t place = long_.size();
  long_.resize(place + words);
  std::memcpy(long_.data() + place, word.data(), word.size());
  long_.insert(long_.end(), ids.begin(), ids.end());
  long_lines_[hash & (kLongLines - 1)] = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(place),
                                          static_cast<std::uint16_t>(word.size()),
                                          static_cast<std::uint16_t>(ids.size())};
}

}  // namespace idiolect
