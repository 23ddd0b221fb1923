// The learning steps of SentencePiece 0.2.3, float for float: same sums in the same order, so that the same pieces go in
// each pruning and the scores agree to the last digits.
//
// What is done differently costs less and gives the same: forward and backward sums are kept by position instead of by
// node (all edges that end at a place share them), and log(1 + exp(-x)) comes from a table of Taylor expansions (within
// 1e-15, so that its rounding to float differs once in some ten million additions at most).
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <unordered_map>

#include "threads.hpp"
#include "unigram_model.hpp"
#include "utf8.hpp"

namespace idiolect {
namespace {

constexpr float kUnknownPenalty = 10.0f;
constexpr float kNone = -std::numeric_limits<float>::infinity();

/// log(1 + exp(-x)) for x in [0, 50].
class Softplus {
 public:
  Softplus() {
    for (int i = 0; i < kPoints; ++i) {
      const double x = static_cast<double>(i) / kPerUnit, s = 1.0 / (1.0 + std::exp(x)), t = s * (1.0 - s);
      // Derivatives of log(1 + exp(-x)): with s the logistic of -x, s' = -s (1 - s).
      points_[static_cast<std::size_t>(i)] = {std::log1p(std::exp(-x)),
                                              -s,
                                              t / 2,
                                              -t * (1 - 2 * s) / 6,
                                              t * (1 - 6 * t) / 24,
                                              -t * (1 - 2 * s) * (1 - 12 * t) / 120};
    }
  }
  double operator()(double x) const {
    const auto i = static_cast<std::size_t>(x * kPerUnit + 0.5);
    const auto& c = points_[i];
    const double h = x - static_cast<double>(i) / kPerUnit;
    return c[0] + h * (c[1] + h * (c[2] + h * (c[3] + h * (c[4] + h * c[5]))));
  }

 private:
  static constexpr int kPerUnit = 64, kPoints = 50 * kPerUnit + 2;
  std::array<std::array<double, 6>, kPoints> points_;
};

const Softplus kSoftplus;

/// log(exp(x) + exp(y)); one of them may be the logarithm of nothing.
inline float log_add(float x, float y) {
  const float low = std::min(x, y), high = std::max(x, y);
  if (!(high <= low + 50.0f)) return high;
  // Less than half a unit in the last place of anything from 1 on: the sum rounds to `high`.
  if (high - low > 17.5f && std::abs(high) >= 1.0f) return high;
  return static_cast<float>(static_cast<double>(high) + kSoftplus(static_cast<double>(high - low)));
}

struct Scores {
  const std::vector<float>& of;
  const std::vector<std::uint16_t>& lengths;
  float unknown;

  explicit Scores(const UnigramModel& model)
      : of(model.scores), lengths(model.lengths),
        unknown(*std::min_element(model.scores.begin(), model.scores.end()) - kUnknownPenalty) {}
  float score(std::uint32_t piece) const { return piece == kUnknownEdge ? unknown : of[piece]; }
  std::uint32_t length(std::uint32_t piece) const { return piece == kUnknownEdge ? 1 : lengths[piece]; }
  /// Where an edge is counted: SentencePiece's trainer gives the unknown the number of its first piece.
  static std::uint32_t counted(std::uint32_t piece) { return piece == kUnknownEdge ? 0 : piece; }
};

/// Expected counts of the pieces in one shard's words, by the forward-backward algorithm.
std::vector<float> expected_counts(const UnigramModel& model, const Lattices& lattices) {
  const Scores scores(model);
  std::vector<float> expected(model.size(), 0.0f), forward, backward;
  for (std::size_t n = 0; n < lattices.size(); ++n) {
    const Lattices::Word& word = lattices.words[n];
    const std::uint32_t length = lattices.characters(n);
    const std::uint16_t* degrees = lattices.degrees.data() + word.position;
    const std::uint32_t* const first = lattices.edges.data() + word.edge;
    const std::uint32_t* const last = lattices.edges.data() + lattices.words[n + 1].edge;
    forward.assign(length + 1, kNone);
    backward.assign(length + 1, kNone);
    forward[0] = 0.0f;
    backward[length] = 0.0f;
    const std::uint32_t* edge = first;
    for (std::uint32_t at = 0; at < length; ++at)
      for (std::uint16_t k = 0; k < degrees[at]; ++k, ++edge) {
        float& sum = forward[at + scores.length(*edge)];
        sum = log_add(sum, scores.score(*edge) + forward[at]);
      }
    edge = last;
    for (std::uint32_t at = length; at-- > 0;) {
      edge -= degrees[at];
      float sum = kNone;
      for (std::uint16_t k = 0; k < degrees[at]; ++k)
        sum = log_add(sum, scores.score(edge[k]) + backward[at + scores.length(edge[k])]);
      backward[at] = sum;
    }
    const auto count = static_cast<float>(word.count);
    const float whole = forward[length];
    edge = first;
    for (std::uint32_t at = 0; at < length; ++at)
      for (std::uint16_t k = 0; k < degrees[at]; ++k, ++edge) {
        const float share = forward[at] + scores.score(*edge) + backward[at + scores.length(*edge)] - whole;
        float& sum = expected[Scores::counted(*edge)];
        sum = static_cast<float>(static_cast<double>(sum) + static_cast<double>(count) * std::exp(static_cast<double>(share)));
      }
  }
  return expected;
}

/// A lattice of nodes (edges of Lattices, with their places), in which single paths are followed.
class Nodes {
 public:
  struct Node {
    std::uint32_t piece, begin, end;
    float score, best;         // `best`: of the path up to and with this node
    std::uint32_t before;      // the node before it on that path
    std::uint32_t next_there;  // the next node that ends at the same place
  };
  static constexpr std::uint32_t kStart = 0, kNowhere = 0xFFFFFFFF;

  void clear(std::uint32_t length) {
    nodes_.assign(1, {kUnknownEdge, 0, 0, 0.0f, 0.0f, kNowhere, kNowhere});
    first_ending_.assign(length + 1, kNowhere);
    last_ending_.assign(length + 1, kNowhere);
    first_ending_[0] = last_ending_[0] = kStart;
    length_ = length;
  }
  void add(std::uint32_t piece, std::uint32_t begin, std::uint32_t end, float score) {
    const auto number = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({piece, begin, end, score, 0.0f, kNowhere, kNowhere});
    (first_ending_[end] == kNowhere ? first_ending_[end] : nodes_[last_ending_[end]].next_there) = number;
    last_ending_[end] = number;
  }

  /// The best path by Viterbi: of equal ones the first, as SentencePiece takes it. Nodes must have come by their beginnings.
  void best_paths() {
    for (std::uint32_t number = 1; number < nodes_.size(); ++number) lead_to(nodes_[number]);
    end_ = {kUnknownEdge, length_, length_, 0.0f, 0.0f, kNowhere, kNowhere};
    lead_to(end_);
  }
  float best_score() const { return end_.best; }
  void best_path(std::vector<std::uint32_t>& pieces) const {
    pieces.clear();
    for (std::uint32_t at = end_.before; at != kStart && at != kNowhere; at = nodes_[at].before) pieces.push_back(nodes_[at].piece);
    std::reverse(pieces.begin(), pieces.end());
  }

  /// The two best paths, by A* from the end with the Viterbi scores as exact estimates; the second may be empty.
  void two_best(std::vector<std::uint32_t>& first, std::vector<std::uint32_t>& second) {
    best_paths();
    first.clear();
    second.clear();
    hypotheses_.assign(1, {kNowhere, kNowhere, end_.best, 0.0f});
    agenda_.assign(1, 0);
    auto worse = [this](std::uint32_t one, std::uint32_t other) { return hypotheses_[one].estimate < hypotheses_[other].estimate; };
    int found = 0;
    while (!agenda_.empty()) {
      const std::uint32_t top = agenda_.front();
      std::pop_heap(agenda_.begin(), agenda_.end(), worse);
      agenda_.pop_back();
      if (hypotheses_[top].node == kStart) {
        std::vector<std::uint32_t>& path = found == 0 ? first : second;
        for (std::uint32_t at = hypotheses_[top].next; hypotheses_[at].next != kNowhere; at = hypotheses_[at].next)
          path.push_back(nodes_[hypotheses_[at].node].piece);
        if (++found == 2) return;
        continue;
      }
      const std::uint32_t begin = hypotheses_[top].node == kNowhere ? length_ : nodes_[hypotheses_[top].node].begin;
      for (std::uint32_t left = first_ending_[begin]; left != kNowhere; left = nodes_[left].next_there) {
        const float behind = hypotheses_[top].behind;
        hypotheses_.push_back({left, top, nodes_[left].best + behind, nodes_[left].score + behind});
        agenda_.push_back(static_cast<std::uint32_t>(hypotheses_.size() - 1));
        std::push_heap(agenda_.begin(), agenda_.end(), worse);
      }
    }
  }

  std::vector<Node>& nodes() { return nodes_; }

 private:
  struct Hypothesis {
    std::uint32_t node, next;
    float estimate, behind;  // `behind`: the score of the path from this node to the end
  };
  void lead_to(Node& node) const {
    bool any = false;
    for (std::uint32_t left = first_ending_[node.begin]; left != kNowhere; left = nodes_[left].next_there) {
      const float score = nodes_[left].best + node.score;
      if (!any || score > node.best) {
        node.best = score;
        node.before = left;
        any = true;
      }
    }
  }
  std::vector<Node> nodes_;
  Node end_{};
  std::vector<std::uint32_t> first_ending_, last_ending_;
  std::uint32_t length_ = 0;
  std::vector<Hypothesis> hypotheses_;
  std::vector<std::uint32_t> agenda_;
};

/// How often each piece is on the best path of a word, in one shard.
std::vector<float> best_path_counts(const UnigramModel& model, const Lattices& lattices) {
  const Scores scores(model);
  std::vector<float> counts(model.size(), 0.0f);
  std::vector<std::uint32_t> path;
  Nodes nodes;
  for (std::size_t n = 0; n < lattices.size(); ++n) {
    const Lattices::Word& word = lattices.words[n];
    const std::uint32_t length = lattices.characters(n);
    nodes.clear(length);
    const std::uint32_t* edge = lattices.edges.data() + word.edge;
    for (std::uint32_t at = 0; at < length; ++at)
      for (std::uint16_t k = 0; k < lattices.degrees[word.position + at]; ++k, ++edge)
        nodes.add(*edge, at, at + scores.length(*edge), scores.score(*edge));
    nodes.best_paths();
    nodes.best_path(path);
    for (std::uint32_t piece : path) counts[Scores::counted(piece)] += static_cast<float>(word.count);
  }
  return counts;
}

/// One vector for each shard, added up in the order of the shards.
template <class Count>
std::vector<float> over_shards(const UnigramModel& model, std::size_t threads, bool first_into_zero, Count&& count) {
  std::vector<std::vector<float>> counts(model.shards.size());
  parallel_for(counts.size(), threads, [&](std::size_t shard, std::size_t) { counts[shard] = count(model, model.shards[shard]); });
  std::vector<float> sum = first_into_zero ? std::vector<float>(model.size(), 0.0f) : std::move(counts[0]);
  for (std::size_t shard = first_into_zero ? 0 : 1; shard < counts.size(); ++shard)
    for (std::size_t piece = 0; piece < sum.size(); ++piece) sum[piece] += counts[shard][piece];
  return sum;
}

/// Pieces expected less than half a time go; the others get digamma(count) - digamma(sum), a sparse prior.
void maximise(UnigramModel& model, const std::vector<float>& expected, std::size_t threads) {
  std::vector<std::uint32_t> kept;
  std::vector<float> scores;
  float sum = 0.0f;
  for (std::uint32_t piece = 0; piece < expected.size(); ++piece) {
    if (expected[piece] < 0.5f) continue;
    kept.push_back(piece);
    scores.push_back(expected[piece]);
    sum += expected[piece];
  }
  if (kept.empty()) throw std::invalid_argument("The text is too short: no piece occurs often enough to learn from.");
  const auto log_sum = static_cast<float>(digamma(sum));
  for (float& score : scores) score = static_cast<float>(digamma(score) - static_cast<double>(log_sum));
  model.keep(kept, scores, threads);
}

void fill_with_piece(const UnigramModel& model, const Scores& scores, std::uint32_t piece, Nodes& nodes) {
  nodes.clear(model.lengths[piece]);
  model.piece_edges(model.pieces[piece], [&](std::uint32_t at, std::uint32_t other, std::uint32_t characters) {
    nodes.add(other, at, at + characters, scores.score(other));
  });
}

/// Takes out the pieces without which the likelihood falls least, until `shrinking` of them are left.
void prune(UnigramModel& model, const UnigramLearning& options) {
  const Scores scores(model);
  const std::size_t size = model.size();
  // How each piece would be cut if it were not there.
  std::vector<std::uint8_t> stays(size, true);
  std::vector<std::vector<std::uint32_t>> alternatives(size);
  constexpr std::size_t kChunk = 4096;
  parallel_for((size + kChunk - 1) / kChunk, options.threads, [&](std::size_t chunk, std::size_t) {
    Nodes nodes;
    std::vector<std::uint32_t> first, second;
    for (std::size_t piece = chunk * kChunk; piece < std::min(size, (chunk + 1) * kChunk); ++piece) {
      fill_with_piece(model, scores, static_cast<std::uint32_t>(piece), nodes);
      nodes.two_best(first, second);
      if (second.empty()) continue;  // it cannot be cut
      if (first.size() > 1) {
        stays[piece] = false;  // it is cut even now
      } else {
        alternatives[piece] = second;
        for (std::uint32_t& other : alternatives[piece]) other = Scores::counted(other);
      }
    }
  });

  const std::vector<float> counts = over_shards(model, options.threads, true, best_path_counts);
  const auto sum = static_cast<float>(std::accumulate(counts.begin(), counts.end(), 0.0));
  const auto log_sum = static_cast<float>(std::log(static_cast<double>(sum)));
  std::vector<std::uint32_t> kept;
  std::vector<std::pair<float, std::uint32_t>> candidates;
  for (std::uint32_t piece = 0; piece < size; ++piece) {
    const float count = counts[piece];
    if (count == 0.0f || !stays[piece]) continue;
    if (alternatives[piece].empty()) {
      kept.push_back(piece);
      continue;
    }
    // Without the piece, its occurrences go to the pieces it would be cut into.
    const auto with = static_cast<float>(std::log(static_cast<double>(count)) - static_cast<double>(log_sum));
    const float sum_without = sum + count * static_cast<float>(alternatives[piece].size() - 1);
    const auto log_sum_without = static_cast<float>(std::log(static_cast<double>(sum_without)));
    float without = 0.0f;
    for (std::uint32_t other : alternatives[piece])
      without = static_cast<float>(static_cast<double>(without) + (std::log(static_cast<double>(counts[other] + count)) -
                                                                   static_cast<double>(log_sum_without)));
    const float share = count / sum;
    candidates.emplace_back(share * (with - without), piece);
  }
  const auto left = static_cast<int>(static_cast<float>(options.shrinking) * static_cast<float>(size));
  const auto target = static_cast<std::size_t>(std::max<int>(static_cast<int>(options.target), left));
  std::sort(candidates.begin(), candidates.end(), [](const auto& one, const auto& other) {
    return one.first != other.first ? one.first > other.first : one.second < other.second;
  });
  for (const auto& [loss, piece] : candidates) {
    if (kept.size() == target) break;
    kept.push_back(piece);
  }
  std::vector<float> new_scores;
  for (std::uint32_t piece : kept) new_scores.push_back(model.scores[piece]);
  model.keep(kept, new_scores, options.threads);
}

/// Takes out the pieces that no text can ever give, since their parts together are likelier.
void drop_unreachable(UnigramModel& model, std::size_t threads) {
  const Scores scores(model);
  Nodes nodes;
  std::vector<std::uint32_t> kept;
  std::vector<float> new_scores;
  for (std::uint32_t piece = 0; piece < model.size(); ++piece) {
    fill_with_piece(model, scores, piece, nodes);
    for (Nodes::Node& node : nodes.nodes())
      if (node.piece == piece) node.score = kNone;
    nodes.best_paths();
    if (nodes.best_score() > model.scores[piece]) continue;
    kept.push_back(piece);
    new_scores.push_back(model.scores[piece]);
  }
  model.keep(kept, new_scores, threads);
}

using Scored = std::pair<std::string, float>;
void sort_by_score(std::vector<Scored>& pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const Scored& one, const Scored& other) {
    return one.second != other.second ? one.second > other.second : one.first < other.first;
  });
}

}  // namespace

std::vector<Scored> learn_like_sentencepiece(UnigramModel& model, const RequiredCharacters& required,
                                             const UnigramLearning& options, const std::function<void()>& stop) {
  while (true) {
    const std::size_t before = model.size();
    for (std::size_t step = 0; step < options.sub_iterations; ++step) {
      maximise(model, over_shards(model, options.threads, false, expected_counts), options.threads);
      stop();
    }
    prune(model, options);
    stop();
    if (model.size() <= options.target || model.size() == before) break;
  }
  drop_unreachable(model, options.threads);

  // Required characters first, those that were pruned with the lowest scores; then the best of the rest.
  const float least = *std::min_element(model.scores.begin(), model.scores.end());
  std::unordered_map<std::string_view, float> score_of;
  for (std::size_t piece = 0; piece < model.size(); ++piece) score_of.emplace(model.pieces[piece], model.scores[piece]);
  RequiredCharacters characters = required;
  std::stable_sort(characters.begin(), characters.end(), [](const auto& one, const auto& other) {
    return one.second != other.second ? one.second > other.second : one.first < other.first;
  });
  std::unordered_map<std::string, float> chosen;
  float above = 0.0f;
  for (const auto& [code, count] : characters) {
    const std::string text = utf8_of(code);
    if (const auto at = score_of.find(text); at != score_of.end()) {
      chosen.emplace(text, at->second);
    } else {
      chosen.emplace(text, least + above);
      above += 0.0001f;
    }
  }
  std::vector<Scored> rest;
  for (std::size_t piece = 0; piece < model.size(); ++piece) rest.emplace_back(std::string(model.pieces[piece]), model.scores[piece]);
  sort_by_score(rest);
  for (const auto& [piece, score] : rest) {
    if (chosen.contains(piece)) continue;
    if (chosen.size() == options.pieces) break;
    chosen.emplace(piece, score);
  }
  std::vector<Scored> result(chosen.begin(), chosen.end());
  sort_by_score(result);
  return result;
}

}  // namespace idiolect
