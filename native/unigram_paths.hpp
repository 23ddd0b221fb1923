// All the ways to cut a text into pieces: the likelihood of the text, the n best ways, and one drawn by chance.
//
// Forward sums in doubles (log domain) give the likelihood and, walking back from the end, samples in which a segmentation
// comes with a probability proportional to p^alpha (Kudo, "Subword regularization", 2018, section 3.3). The n best come from
// keeping at each place the n best ways to get there. Costs: time and memory are linear in the text (n best: times n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "unigram_encode.hpp"

namespace idiolect {

/// The logarithm of the text's probability, summed over all its segmentations. `best_only`: of the best one alone.
double unigram_log_likelihood(const UnigramEncoder& encoder, std::string_view text, bool best_only);

/// The n best segmentations, the best first (of equal ones any), with their log probabilities.
std::vector<std::pair<std::vector<std::uint32_t>, double>> unigram_nbest(const UnigramEncoder& encoder, std::string_view text,
                                                                        std::size_t n);

/// A segmentation drawn with probability proportional to p^alpha: of all, or of the `nbest` best.
std::vector<std::uint32_t> unigram_sample(const UnigramEncoder& encoder, std::string_view text, double alpha, std::uint64_t seed,
                                          std::size_t nbest);

}  // namespace idiolect
