// One update of word vectors: the gradients of a batch of neighbouring centres, all at the same values.
//
// A batch is a few dozen centres that follow each other in a text, the words around them, and negatives that all of them
// share. Its loss is, over the pairs of centre i and word p of its window, with y the output and x the input rows,
//
//     sum of -log s(x_p · y_i)  +  negative / shared * sum over negatives k of -log s(-x_p · y_k)
//
// (s: the logistic function) where a negative that is the centre's own word is left out: each pair weighs against as many
// negatives as in word2vec, but they are drawn once for the batch (Ji et al. 2016, "Parallelizing Word2Vec in shared and
// distributed memory", share them in a window). So a word's row is read and written once for all its pairs, and most of
// the work is three products of small matrices. CBOW puts the mean h_i of a window's rows in place of the pairs' x_p, and
// hierarchical softmax the nodes of the centre's path, each with label 1 - code, in place of y_i and the negatives.
//
// A row that is one of several averaged into a vector (the words of a CBOW window, the n-grams of a word) moves by the
// whole gradient of the mean, as in word2vec and fastText: the mean then moves as a single row would.
//
// Cost: 6 * (positives + words * shared) * width floating-point operations; the workspace is some 150 kB at 100
// dimensions, in the second level of cache. embeddings/reference.py is the same in plain NumPy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "embed_model.hpp"

namespace idiolect {

struct Batch {
  std::span<const std::int32_t> words;  // the centres and all words of their windows, as they stand in the text
  std::size_t first = 0;                // where in `words` the first centre is; the others follow
  std::vector<Window> windows;          // of each centre: positions in `words`, the centre itself among them
  std::vector<std::int32_t> negatives;  // `shared` words; none for hierarchical softmax
  float rate = 0;
};

class Step {
 public:
  explicit Step(const EmbedModel& model) : model_(model), slot_(row_width(2 * model.options.window + 1)) {}

  /// Computes what a batch adds to the rows; with `measure`, also its loss. The batch must stay until it is added.
  void compute(const Batch& batch, bool measure);

  /// Brings the rows of a batch nearer, some time before it is computed.
  void prefetch(const Batch& batch) const;

  /// Adds it to those rows for which mine(row) holds.
  template <class Mine>
  void add_to(EmbedModel& model, Mine&& mine) const {
    for (std::size_t p = 0; p < batch_->words.size(); ++p) {
      if (contexts_[p] == 0) continue;
      for (std::uint32_t row : model.rows_of(static_cast<std::size_t>(batch_->words[p]))) {
        if (mine(row)) model.kernels->add(model.input_row(row), dx_.data() + p * model.width, 1, model.width);
      }
    }
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      const auto row = static_cast<std::uint32_t>(targets_[t]);
      if (mine(row)) model.kernels->add(model.output_row(row), dy_.data() + t * model.width, 1, model.width);
    }
  }

  double loss = 0;          // summed over the batches that were measured
  std::uint64_t pairs = 0;  // positive pairs in these

 private:
  void gather();
  void average();
  void against_words();
  void along_paths();
  void spread();

  /// Turns the logits of the centres' windows, `slot_` numbers for each target, into errors.
  void to_errors(std::size_t target, std::size_t targets, std::size_t centre, float label);

  const EmbedModel& model_;
  const std::size_t slot_;  // numbers that the logits of a window take
  const Batch* batch_ = nullptr;
  bool measure_ = false;

  Table<float> x_, dx_;  // the rows of batch_->words, and what is added to them
  Table<float> h_, dh_;  // CBOW: of each centre, the mean of its window
  Table<float> y_, dy_;  // the targets' rows: centres and negatives, or nodes
  std::vector<std::int32_t> targets_;
  std::vector<std::uint32_t> contexts_;  // for each word, in how many windows it is

  // What predicts: the words themselves, or the means of windows.
  const float* hidden_ = nullptr;
  float* d_hidden_ = nullptr;
  std::size_t hidden_rows_ = 0;
  std::vector<Window> windows_;  // of each centre, in these

  Table<float> across_, logits_, weights_, ones_, pair_logits_;
};

}  // namespace idiolect
