// The learning steps of SentencePiece 0.2.3, float for float: same sums in the same order, so that the same pieces go in
// each pruning and the scores agree to the last digits.
//
// What is done differently costs less and gives the same bits: unigram_sums.hpp and float_sums.hpp.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <unordered_map>

#include "threads.hpp"
#include "unigram_model.hpp"
#include "unigram_nodes.hpp"
#include "unigram_sums.hpp"
#include "utf8.hpp"

namespace idiolect {
namespace {

constexpr float kUnknownPenalty = 10.0f;
constexpr float kNone = -std::numeric_limits<float>::infinity();

struct Scores {
  const std::vector<float>& of;
  float unknown;

  explicit Scores(const UnigramModel& model)
      : of(model.scores), unknown(*std::min_element(model.scores.begin(), model.scores.end()) - kUnknownPenalty) {}
  float score(std::uint32_t piece) const { return piece == kUnknownEdge ? unknown : of[piece]; }
};

/// Pieces expected less than half a time go; the others get digamma(count) - digamma(sum), a sparse prior.
void maximise(UnigramModel& model, const std::vector<float>& expected) {
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
  model.keep(kept, scores);
}

void fill_with_piece(const UnigramModel& model, const Scores& scores, std::uint32_t piece, Nodes& nodes) {
  nodes.clear(model.lengths[piece]);
  model.piece_edges(model.pieces[piece], [&](std::uint32_t at, std::uint32_t other, std::uint32_t characters) {
    nodes.add(other, at, at + characters, scores.score(other));
  });
}

/// Takes out the pieces without which the likelihood falls least, until `shrinking` of them are left.
void prune(UnigramModel& model, UnigramSums& sums, const UnigramLearning& options) {
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
        for (std::uint32_t& other : alternatives[piece]) other = other == kUnknownEdge ? 0 : other;
      }
    }
  });

  const std::vector<float> counts = UnigramSums::total(sums.on_best_paths());
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
  model.keep(kept, new_scores);
}

/// Takes out the pieces that no text can ever give, since their parts together are likelier.
void drop_unreachable(UnigramModel& model) {
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
  model.keep(kept, new_scores);
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
  UnigramSums sums(model, options.threads);
  while (true) {
    const std::size_t before = model.size();
    for (std::size_t step = 0; step < options.sub_iterations; ++step) {
      maximise(model, UnigramSums::total(sums.expected()));
      stop();
    }
    prune(model, sums, options);
    stop();
    if (model.size() <= options.target || model.size() == before) break;
  }
  drop_unreachable(model);

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
