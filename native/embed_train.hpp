// Training word vectors on a stream of word ids: blocks, batches, threads.
//
// The stream is cut into blocks of kBlock ids. What is random in a block (the words that are left out, the windows, the
// negatives) comes from a stream of random numbers of its own, made of seed, epoch and block, so where training stands is
// an epoch and a block. Two ways to share blocks among threads:
//
//   fast           each thread takes the next block and changes the rows as it goes, without a lock (Recht et al. 2011,
//                  "Hogwild!"). With one thread the result is always the same; with more, it is not.
//   deterministic  kLanes blocks are read side by side. Each round computes a batch of every lane from the same values;
//                  then each row takes what the lanes add to it, in their order. One result for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "embed_model.hpp"

namespace idiolect {

constexpr std::size_t kBlock = 1 << 14;  // ids
constexpr std::size_t kLanes = 8;

constexpr std::int32_t kEndOfText = -1;  // an id after each text; windows do not reach across it
constexpr std::int32_t kRareWord = -2;   // a word that is not in the vocabulary, as if it were not there

/// What a stretch of training saw.
struct Trained {
  std::int64_t words = 0;    // of the vocabulary
  std::int64_t centres = 0;  // of these, that were not left out
  double loss = 0;           // summed over the pairs that were measured: every 64th batch
  std::int64_t pairs = 0;    // how many these are
};

/// Trains on the blocks [first, last) of an epoch, of which there are `blocks` in all. `ids` are theirs. Throws
/// std::invalid_argument for ids that are no words, and blocks that are not there.
Trained train(EmbedModel& model, std::span<const std::int32_t> ids, std::uint64_t epoch, std::size_t first,
              std::size_t blocks, std::size_t threads, bool deterministic);

}  // namespace idiolect
