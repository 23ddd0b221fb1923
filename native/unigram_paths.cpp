#include "unigram_paths.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>

#include "unigram_lattice.hpp"

namespace idiolect {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double x, double y) {
  const double low = std::min(x, y), high = std::max(x, y);
  return low == kNever ? high : high + std::log1p(std::exp(low - high));
}

/// The pieces of a text, by the place where they end.
struct Lattice {
  struct Edge {
    std::uint32_t start, id;  // `start` counts characters
    double score;
  };
  std::string text;
  std::vector<std::uint32_t> bytes;   // where each character begins, and the end
  std::vector<std::uint64_t> firsts;  // by the character before which they end: their first edge
  std::vector<Edge> edges;

  Lattice(const UnigramEncoder& encoder, std::string_view given) : text(encoder.prepare(given)) {
    if (text.size() >= 0xFFFFFFFF) throw std::invalid_argument("The text is longer than 4 GiB.");
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    for (const char* at = begin; at < end; at += std::min<std::size_t>(character_length(*at), static_cast<std::size_t>(end - at)))
      bytes.push_back(static_cast<std::uint32_t>(at - begin));
    bytes.push_back(static_cast<std::uint32_t>(text.size()));
    // Edges come by where they begin; sorted by counting, they go by where they end.
    auto each = [&](auto&& use) {
      for (std::uint32_t start = 0; start + 1 < bytes.size(); ++start)
        edges_from(encoder.trie(), begin + bytes[start], end, [&](std::uint32_t key) { return encoder.id_of_key(key); },
                   [&](std::uint32_t id, std::uint32_t length) { use(start, id, length); });
    };
    firsts.assign(bytes.size() + 1, 0);
    each([&](std::uint32_t start, std::uint32_t, std::uint32_t length) { ++firsts[start + length + 1]; });
    for (std::size_t place = 1; place < firsts.size(); ++place) firsts[place] += firsts[place - 1];
    edges.resize(firsts.back());
    std::vector<std::uint64_t> next(firsts.begin(), firsts.end() - 1);
    each([&](std::uint32_t start, std::uint32_t id, std::uint32_t length) {
      const bool unknown = id == kUnknownEdge;
      edges[next[start + length]++] = {start, unknown ? encoder.unknown() : id,
                                       unknown ? double{encoder.unknown_score()} : double{encoder.score(id, length)}};
    });
  }

  std::size_t length() const { return bytes.size() - 1; }

  /// By character: the logarithm of the sum (or the maximum) over all ways to get there of p^alpha.
  std::vector<double> forward(double alpha, bool best_only) const {
    std::vector<double> sums(length() + 1, kNever);
    sums[0] = 0.0;
    for (std::size_t place = 1; place <= length(); ++place)
      for (std::uint64_t n = firsts[place]; n < firsts[place + 1]; ++n) {
        const double sum = sums[edges[n].start] + alpha * edges[n].score;
        sums[place] = best_only ? std::max(sums[place], sum) : log_add(sums[place], sum);
      }
    return sums;
  }

  std::vector<std::uint32_t> ids(const UnigramEncoder& encoder, const std::vector<std::pair<std::uint32_t, std::uint32_t>>& backwards) const {
    std::vector<std::uint32_t> written;
    bool unknown_before = false;
    for (std::size_t n = backwards.size(); n-- > 0;) {  // (edge's id, character before which it ends)
      const std::uint32_t start = n + 1 < backwards.size() ? bytes[backwards[n + 1].second] : 0;
      const std::uint32_t stop = bytes[backwards[n].second];
      encoder.write(backwards[n].first, std::string_view(text).substr(start, stop - start), unknown_before,
                    [&written](std::uint32_t id) { written.push_back(id); });
    }
    return written;
  }
};

using Segmentation = std::pair<std::vector<std::uint32_t>, double>;

std::vector<Segmentation> best_of(const UnigramEncoder& encoder, const Lattice& lattice, std::size_t n) {
  struct Way {
    double score;
    std::uint64_t edge;
    std::uint32_t rank;  // of the way to the edge's start that goes before
  };
  if (n > 1024) throw std::invalid_argument("The number of segmentations must be 1 to 1024.");
  if (lattice.length() * n > std::size_t{1} << 27)
    throw std::invalid_argument("The text is too long for so many segmentations: take fewer, or cut the text.");
  std::vector<std::vector<Way>> ways(lattice.length() + 1);
  ways[0].push_back({0.0, 0, 0});
  for (std::size_t place = 1; place <= lattice.length(); ++place) {
    // Of each edge the best way not yet taken: a heap of candidates.
    std::vector<Way> heap;
    auto worse = [](const Way& one, const Way& other) {
      return one.score != other.score ? one.score < other.score : one.edge > other.edge;
    };
    auto push = [&](std::uint64_t edge, std::uint32_t rank) {
      const auto& before = ways[lattice.edges[edge].start];
      if (rank >= before.size()) return;
      heap.push_back({before[rank].score + lattice.edges[edge].score, edge, rank});
      std::push_heap(heap.begin(), heap.end(), worse);
    };
    for (std::uint64_t edge = lattice.firsts[place]; edge < lattice.firsts[place + 1]; ++edge) push(edge, 0);
    while (!heap.empty() && ways[place].size() < n) {
      std::pop_heap(heap.begin(), heap.end(), worse);
      const Way way = heap.back();
      heap.pop_back();
      ways[place].push_back(way);
      push(way.edge, way.rank + 1);
    }
  }
  std::vector<Segmentation> found;
  for (const Way& last : ways.back()) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> backwards;
    Way way = last;
    for (auto place = static_cast<std::uint32_t>(lattice.length()); place > 0;) {
      const Lattice::Edge& edge = lattice.edges[way.edge];
      backwards.emplace_back(edge.id, place);
      place = edge.start;
      way = ways[place][way.rank];
    }
    found.emplace_back(lattice.ids(encoder, backwards), last.score);
  }
  return found;
}

/// A place in `weights` (logarithms), drawn in proportion to what they are the logarithms of.
std::size_t draw(const std::vector<double>& weights, std::mt19937_64& random) {
  const double most = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (double weight : weights) sum += std::exp(weight - most);
  double left = sum * (static_cast<double>(random() >> 11) * 0x1p-53);
  for (std::size_t n = 0; n < weights.size(); ++n)
    if ((left -= std::exp(weights[n] - most)) < 0) return n;
  return static_cast<std::size_t>(std::max_element(weights.begin(), weights.end()) - weights.begin());
}

}  // namespace

double unigram_log_likelihood(const UnigramEncoder& encoder, std::string_view text, bool best_only) {
  return Lattice(encoder, text).forward(1.0, best_only).back();
}

std::vector<Segmentation> unigram_nbest(const UnigramEncoder& encoder, std::string_view text, std::size_t n) {
  if (n < 1) throw std::invalid_argument("The number of segmentations must be 1 to 1024.");
  return best_of(encoder, Lattice(encoder, text), n);
}

std::vector<std::uint32_t> unigram_sample(const UnigramEncoder& encoder, std::string_view text, double alpha, std::uint64_t seed,
                                          std::size_t nbest) {
  if (!(alpha >= 0 && alpha < 1e6)) throw std::invalid_argument("The power of probabilities must be 0 or more, and a number.");
  std::mt19937_64 random(seed);
  const Lattice lattice(encoder, text);
  if (nbest > 0) {
    const std::vector<Segmentation> found = best_of(encoder, lattice, nbest);
    std::vector<double> weights;
    for (const auto& [ids, score] : found) weights.push_back(alpha * score);
    return found[draw(weights, random)].first;
  }
  const std::vector<double> sums = lattice.forward(alpha, false);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> backwards;
  std::vector<double> weights;
  for (auto place = static_cast<std::uint32_t>(lattice.length()); place > 0;) {
    weights.clear();
    for (std::uint64_t n = lattice.firsts[place]; n < lattice.firsts[place + 1]; ++n)
      weights.push_back(sums[lattice.edges[n].start] + alpha * lattice.edges[n].score);
    const Lattice::Edge& edge = lattice.edges[lattice.firsts[place] + draw(weights, random)];
    backwards.emplace_back(edge.id, place);
    place = edge.start;
  }
  return lattice.ids(encoder, backwards);
}

}  // namespace idiolect
