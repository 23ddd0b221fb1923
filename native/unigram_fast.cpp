// Learning in plain probabilities: the same aims as unigram_exact.cpp, in a fraction of the time.
//
// The forward-backward sums of a word are products of a few probabilities, so doubles hold them without logarithms: each
// edge costs a multiplication and an addition each way. So that long words stay in range, each probability is multiplied
// by a constant to the power of the piece's length; every segmentation of a word gets the same factor, which cancels. A word
// that leaves the range nonetheless is done in logarithms.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "threads.hpp"
#include "unigram_model.hpp"

namespace idiolect {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kFloor = 1.0;  // occurrences that a required character has at least

double log_add(double x, double y) {
  const double low = std::min(x, y), high = std::max(x, y);
  return low == kNever ? high : high + std::log1p(std::exp(low - high));
}

/// What a pass needs to know of a piece and what it finds out, in one place of memory.
struct Cell {
  double weight;    // its probability, scaled
  double expected;  // how often it occurs, all segmentations of all words weighed by their probabilities
  std::uint32_t length;
};

struct Expectation {
  std::vector<double> counts;
  double log_likelihood = 0, words = 0, characters = 0;
};

class Shard {
 public:
  Shard(const UnigramModel& model, double log_scale) : model_(model), log_scale_(log_scale), cells_(model.size() + 1) {
    for (std::size_t piece = 0; piece < model.size(); ++piece)
      cells_[piece] = {std::exp(static_cast<double>(model.scores[piece]) + log_scale * model.lengths[piece]), 0.0,
                       model.lengths[piece]};
    cells_.back() = {1.0, 0.0, 1};  // the unknown: on every path, so its weight does not matter
  }

  void count(const Lattices& lattices) {
    for (std::size_t n = 0; n < lattices.size(); ++n) {
      const double count = static_cast<double>(lattices.words[n].count);
      const std::uint32_t length = lattices.characters(n);
      double likelihood = plain(lattices, n, length, count);
      if (!(likelihood > -std::numeric_limits<double>::max())) likelihood = logarithmic(lattices, n, length, count);
      log_likelihood_ += count * (likelihood - log_scale_ * length);
      words_ += count;
      characters_ += count * length;
    }
  }

  void add_to(Expectation& sum) const {
    sum.counts.resize(model_.size());
    for (std::size_t piece = 0; piece < model_.size(); ++piece) sum.counts[piece] += cells_[piece].expected;
    sum.log_likelihood += log_likelihood_;
    sum.words += words_;
    sum.characters += characters_;
  }

 private:
  Cell& cell(std::uint32_t edge) { return cells_[std::min<std::size_t>(edge, model_.size())]; }

  /// The logarithm of the word's scaled probability, or minus infinity where it left the range (nothing is counted then).
  double plain(const Lattices& lattices, std::size_t n, std::uint32_t length, double count) {
    const std::uint16_t* degrees = lattices.degrees.data() + lattices.words[n].position;
    forward_.assign(length + 1, 0.0);
    backward_.resize(length + 1);
    forward_[0] = 1.0;
    const std::uint32_t* edge = lattices.edges.data() + lattices.words[n].edge;
    for (std::uint32_t at = 0; at < length; ++at) {
      const double here = forward_[at];
      for (std::uint16_t k = 0; k < degrees[at]; ++k, ++edge) {
        const Cell& piece = cell(*edge);
        forward_[at + piece.length] += here * piece.weight;
      }
    }
    const double whole = forward_[length];
    if (!(whole > 1e-200 && whole < 1e200)) return kNever;
    const double share = count / whole;
    backward_[length] = 1.0;
    for (std::uint32_t at = length; at-- > 0;) {
      const double before = forward_[at] * share;
      double sum = 0.0;
      edge -= degrees[at];
      for (std::uint16_t k = 0; k < degrees[at]; ++k) {
        Cell& piece = cell(edge[k]);
        const double behind = piece.weight * backward_[at + piece.length];
        sum += behind;
        piece.expected += before * behind;
      }
      backward_[at] = sum;
    }
    return std::log(whole);
  }

  /// The same in logarithms.
  double logarithmic(const Lattices& lattices, std::size_t n, std::uint32_t length, double count) {
    const std::uint16_t* degrees = lattices.degrees.data() + lattices.words[n].position;
    forward_.assign(length + 1, kNever);
    backward_.assign(length + 1, kNever);
    forward_[0] = backward_[length] = 0.0;
    const std::uint32_t* edge = lattices.edges.data() + lattices.words[n].edge;
    for (std::uint32_t at = 0; at < length; ++at)
      for (std::uint16_t k = 0; k < degrees[at]; ++k, ++edge) {
        const Cell& piece = cell(*edge);
        forward_[at + piece.length] = log_add(forward_[at + piece.length], forward_[at] + std::log(piece.weight));
      }
    for (std::uint32_t at = length; at-- > 0;) {
      edge -= degrees[at];
      for (std::uint16_t k = 0; k < degrees[at]; ++k) {
        Cell& piece = cell(edge[k]);
        const double behind = std::log(piece.weight) + backward_[at + piece.length];
        backward_[at] = log_add(backward_[at], behind);
        piece.expected += count * std::exp(forward_[at] + behind - forward_[length]);
      }
    }
    return forward_[length];
  }

  const UnigramModel& model_;
  double log_scale_;
  std::vector<Cell> cells_;
  std::vector<double> forward_, backward_;
  double log_likelihood_ = 0, words_ = 0, characters_ = 0;
};

class FastLearner {
 public:
  FastLearner(UnigramModel& model, const RequiredCharacters& required, const UnigramLearning& options,
              const std::function<void()>& stop)
      : model_(model), options_(options), stop_(stop), always_(model.piece_of.size(), false) {
    (void)required;  // they are the single characters among the seeds, and no other piece has one character
    for (std::size_t piece = 0; piece < model.size(); ++piece)
      if (model.lengths[piece] == 1) always_[model.keys[piece]] = true;
  }

  std::vector<double> likelihoods;

  /// One EM step. With `sparse`, pieces expected less than half a time go, and digamma makes the rare ones rarer.
  void step(bool sparse) {
    const Expectation expected = expect();
    double sum = 0;
    std::vector<std::uint32_t> kept;
    counts_.clear();
    for (std::uint32_t piece = 0; piece < model_.size(); ++piece) {
      double count = expected.counts[piece];
      if (is_required(piece)) count = std::max(count, kFloor);
      if (count < (sparse && !is_required(piece) ? 0.5 : 1e-9)) continue;
      kept.push_back(piece);
      counts_.push_back(count);
      sum += count;
    }
    const double log_sum = sparse ? digamma(sum) : std::log(sum);
    std::vector<float> scores;
    for (double count : counts_)
      scores.push_back(static_cast<float>((sparse && count >= 0.5 ? digamma(count) : std::log(count)) - log_sum));
    if (kept.size() == model_.size())
      model_.scores = scores;
    else
      keep(kept, scores);
    stop_();
  }

  /// Keeps `left` pieces: those without which the expected likelihood would fall most.
  void prune(std::size_t left) {
    const std::size_t size = model_.size();
    std::vector<float> losses(size);
    const double sum = std::accumulate(counts_.begin(), counts_.end(), 0.0);
    constexpr std::size_t kChunk = 4096;
    parallel_for((size + kChunk - 1) / kChunk, options_.threads, [&](std::size_t chunk, std::size_t) {
      Split split;
      for (std::size_t piece = chunk * kChunk; piece < std::min(size, (chunk + 1) * kChunk); ++piece)
        losses[piece] = static_cast<float>(loss(static_cast<std::uint32_t>(piece), sum, split));
    });
    std::vector<std::uint32_t> order(size);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&losses](auto one, auto other) {
      return losses[one] != losses[other] ? losses[one] > losses[other] : one < other;
    });
    order.resize(std::min(size, left));
    std::sort(order.begin(), order.end());
    std::vector<float> scores;
    std::vector<double> counts;
    for (std::uint32_t piece : order) {
      scores.push_back(model_.scores[piece]);
      counts.push_back(counts_[piece]);
    }
    counts_ = std::move(counts);
    keep(order, scores);
    stop_();
  }

 private:
  void keep(const std::vector<std::uint32_t>& kept, const std::vector<float>& scores) {
    model_.keep(kept, scores);
    parallel_for(model_.shards.size(), options_.threads, [this](std::size_t n, std::size_t) { model_.shards[n].filter(model_.shards_now); });
    model_.shards_now.clear();
  }

  bool is_required(std::uint32_t piece) const { return always_[model_.keys[piece]]; }

  Expectation expect() {
    std::vector<Expectation> parts(model_.shards.size());
    parallel_for(parts.size(), options_.threads, [&](std::size_t n, std::size_t) {
      Shard shard(model_, log_scale_);
      shard.count(model_.shards[n]);
      shard.add_to(parts[n]);
    });
    Expectation sum = std::move(parts[0]);
    for (std::size_t n = 1; n < parts.size(); ++n) {
      for (std::size_t piece = 0; piece < sum.counts.size(); ++piece) sum.counts[piece] += parts[n].counts[piece];
      sum.log_likelihood += parts[n].log_likelihood;
      sum.words += parts[n].words;
      sum.characters += parts[n].characters;
    }
    likelihoods.push_back(sum.log_likelihood / sum.words);
    log_scale_ = -sum.log_likelihood / sum.characters;
    return sum;
  }

  struct Split {
    std::vector<float> best;
    std::vector<std::uint32_t> last, pieces;
  };

  /// How much the likelihood falls when the piece's occurrences are cut into other pieces.
  double loss(std::uint32_t piece, double sum, Split& split) const {
    if (is_required(piece)) return std::numeric_limits<double>::infinity();
    const std::uint32_t length = model_.lengths[piece];
    split.best.assign(length + 1, -std::numeric_limits<float>::infinity());
    split.last.assign(length + 1, kUnknownEdge);
    split.best[0] = 0.0f;
    model_.piece_edges(model_.pieces[piece], [&](std::uint32_t at, std::uint32_t other, std::uint32_t characters) {
      if (other == piece || other == kUnknownEdge) return;
      const float score = split.best[at] + model_.scores[other];
      if (score > split.best[at + characters]) {
        split.best[at + characters] = score;
        split.last[at + characters] = other;
      }
    });
    if (split.last[length] == kUnknownEdge) return std::numeric_limits<double>::infinity();
    if (split.best[length] > model_.scores[piece]) return 0.0;  // it is cut even now
    split.pieces.clear();
    for (std::uint32_t at = length; at > 0; at -= model_.lengths[split.last[at]]) split.pieces.push_back(split.last[at]);
    const double count = counts_[piece];
    const double log_sum = std::log(sum + count * static_cast<double>(split.pieces.size() - 1));
    double without = 0;
    for (std::uint32_t other : split.pieces) without += std::log(counts_[other] + count) - log_sum;
    return count * (std::log(count) - std::log(sum) - without);
  }

  UnigramModel& model_;
  const UnigramLearning& options_;
  const std::function<void()>& stop_;
  std::vector<bool> always_;    // by key
  std::vector<double> counts_;  // expected, by piece, from the latest step
  double log_scale_ = 2.0;
};

}  // namespace

UnigramPieces learn_fast(UnigramModel& model, const RequiredCharacters& required, const UnigramLearning& options,
                         const std::function<void()>& stop) {
  FastLearner learner(model, required, options, stop);
  while (true) {
    for (std::size_t step = 0; step < options.sub_iterations; ++step) learner.step(true);
    if (model.size() <= options.pieces) break;
    learner.prune(std::max(options.pieces, static_cast<std::size_t>(options.shrinking * static_cast<double>(model.size()))));
  }
  for (int step = 0; step < 3; ++step) learner.step(false);

  UnigramPieces result;
  result.likelihood = std::move(learner.likelihoods);
  for (std::size_t piece = 0; piece < model.size(); ++piece)
    result.pieces.emplace_back(std::string(model.pieces[piece]), model.scores[piece]);
  std::sort(result.pieces.begin(), result.pieces.end(), [](const auto& one, const auto& other) {
    return one.second != other.second ? one.second > other.second : one.first < other.first;
  });
  return result;
}

}  // namespace idiolect
