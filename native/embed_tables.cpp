#include "embed_tables.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace idiolect {

Negatives::Negatives(std::span<const std::int64_t> counts) : entries_(counts.size()) {
  const std::size_t size = counts.size();
  std::vector<double> shares(size);
  double total = 0;
  for (std::size_t word = 0; word < size; ++word) {
    total += shares[word] = std::pow(static_cast<double>(counts[word]), 0.75);
  }
  for (double& share : shares) share *= static_cast<double>(size) / total;  // 1 on average
  std::vector<std::uint32_t> small, large;
  for (std::size_t word = size; word-- > 0;) {
    (shares[word] < 1 ? small : large).push_back(static_cast<std::uint32_t>(word));
  }
  while (!small.empty() && !large.empty()) {
    const std::uint32_t less = small.back(), more = large.back();
    small.pop_back();
    entries_[less] = {static_cast<std::uint32_t>(std::ldexp(shares[less], 32)), more};
    shares[more] -= 1 - shares[less];
    if (shares[more] < 1) {
      large.pop_back();
      small.push_back(more);
    }
  }
  for (const auto* rest : {&small, &large}) {
    for (std::uint32_t word : *rest) entries_[word] = {std::numeric_limits<std::uint32_t>::max(), word};
  }
}

std::vector<double> Negatives::probabilities() const {
  std::vector<double> shares(entries_.size());
  for (std::size_t place = 0; place < entries_.size(); ++place) {
    const double own = std::ldexp(static_cast<double>(entries_[place].own), -32);
    shares[place] += own / static_cast<double>(entries_.size());
    shares[entries_[place].other] += (1 - own) / static_cast<double>(entries_.size());
  }
  return shares;
}

std::vector<std::uint64_t> kept_shares(std::span<const std::int64_t> counts, double sample) {
  double total = 0;
  for (std::int64_t count : counts) total += static_cast<double>(count);
  std::vector<std::uint64_t> shares(counts.size(), std::uint64_t{1} << 32);
  if (sample <= 0) return shares;
  for (std::size_t word = 0; word < counts.size(); ++word) {
    const double ratio = sample * total / static_cast<double>(counts[word]);
    shares[word] = static_cast<std::uint64_t>(std::ldexp(std::min(1.0, std::sqrt(ratio) + ratio), 32));
  }
  return shares;
}

HuffmanTree::HuffmanTree(std::span<const std::int64_t> counts) : starts(counts.size() + 1) {
  const std::size_t words = counts.size();
  if (words < 2) return;
  // Two queues: the words from the rarest on, and the nodes as they are made. Below, nodes are numbered from `words`.
  std::vector<std::int64_t> weights(2 * words - 1);
  std::copy(counts.begin(), counts.end(), weights.begin());
  std::vector<std::uint32_t> parents(2 * words - 1);
  std::vector<std::uint8_t> seconds(2 * words - 1);
  std::size_t word = words, node = words;
  for (std::size_t made = words; made < 2 * words - 1; ++made) {
    for (std::uint8_t second : {0, 1}) {
      const bool take_word = word > 0 && (node == made || weights[word - 1] < weights[node]);
      const std::size_t child = take_word ? --word : node++;
      weights[made] = second ? weights[made] + weights[child] : weights[child];
      parents[child] = static_cast<std::uint32_t>(made);
      seconds[child] = second;
    }
  }
  for (std::size_t leaf = 0; leaf < words; ++leaf) {
    const std::size_t begin = nodes.size();
    for (std::size_t at = leaf; at != 2 * words - 2; at = parents[at]) {
      nodes.push_back(static_cast<std::int32_t>(parents[at] - words));
      codes.push_back(seconds[at]);
    }
    std::reverse(nodes.begin() + static_cast<std::ptrdiff_t>(begin), nodes.end());
    std::reverse(codes.begin() + static_cast<std::ptrdiff_t>(begin), codes.end());
    starts[leaf + 1] = static_cast<std::uint32_t>(nodes.size());
  }
}

}  // namespace idiolect
