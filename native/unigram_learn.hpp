// Learning a unigram language model: pieces and their log probabilities, from counted words.
//
// A word is cut into pieces x with probability Π p(x); the model maximises the likelihood of the words, summed over all
// their segmentations (Kudo, "Subword regularization", 2018, section 3.2). From many seed pieces (unigram_seed.hpp) it
// alternates expectation-maximisation steps and pruning: of the pieces whose loss would lower the likelihood least, a
// quarter goes each time, until the asked number is left.
//
// Two ways to do the same:
//   like_sentencepiece   the arithmetic of SentencePiece 0.2.3 step by step (float32 logarithms, in its order), so that pieces
//                        and scores are its own. Its sums depend on its num_threads; that number is `shards` here.
//   otherwise            plain probabilities in doubles, a fifth of the time; the last steps end with the exact number
//                        of pieces and with the maximum-likelihood estimate, so that the likelihood is higher.
//
// Neither result depends on `threads`. Cost: a pass over the edges of all words' lattices for each half step, some
// 40 edges a word at first; memory: 4 bytes an edge (unigram_lattice.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unigram_seed.hpp"

namespace idiolect {

struct UnigramLearning {
  std::size_t pieces = 8000;        // to learn, single characters included
  std::size_t target = 0;           // pieces when pruning ends (SentencePiece: 1.1 times its whole vocabulary); 0: `pieces`
  std::size_t seeds = 1000000;      // pieces of two characters and more to start from
  UnigramLimits limits;
  std::u32string required;          // characters that become pieces whether they occur or not
  double coverage = 0.9995;         // share of the text's characters that become pieces
  double shrinking = 0.75;          // share of the pieces that a pruning keeps
  std::size_t sub_iterations = 2;   // EM steps between prunings
  std::size_t shards = 16;          // words are summed up in that many groups
  bool like_sentencepiece = false;
  std::size_t threads = 0;
};

struct UnigramPieces {
  std::vector<std::pair<std::string, float>> pieces;  // by score, the likeliest first; equal ones by bytes
  std::vector<double> likelihood;                     // nats per word, after each EM step (not `like_sentencepiece`)
};

/// `words`: each different word with its count; what follows it may stand after it, as UnigramWords gives it.
/// Called between steps, `stop` may throw to end the work early.
UnigramPieces learn_unigram(std::vector<std::pair<std::string, std::int64_t>> words, const UnigramLearning& options,
                            const std::function<void()>& stop = [] {});

struct UnigramExpectation {
  std::vector<float> counts;  // by piece
  double log_likelihood;      // of all words, in nats
};

/// One E-step in SentencePiece's arithmetic: how often each piece is expected in the words, over all their segmentations.
/// `pieces` have their log probabilities; a character that is in none is counted for the first. Words are UTF-8.
UnigramExpectation unigram_expectation(std::vector<std::pair<std::string, float>> pieces,
                                       std::vector<std::pair<std::string, std::int64_t>> words, std::size_t shards,
                                       std::size_t threads);

}  // namespace idiolect
