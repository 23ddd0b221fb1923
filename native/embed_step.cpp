#include "embed_step.hpp"

#include <algorithm>
#include <cmath>

namespace idiolect {
namespace {

/// Room for `count` numbers, all zero.
void clear(Table<float>& numbers, std::size_t count) {
  numbers.resize(std::max(numbers.size(), count));
  std::fill_n(numbers.begin(), count, 0.0f);
}

/// Room for `count` numbers, whatever they are.
void reserve(Table<float>& numbers, std::size_t count) { numbers.resize(std::max(numbers.size(), count)); }

/// -log of the logistic function.
double surprise(double logit) { return std::log1p(std::exp(-std::abs(logit))) + std::max(-logit, 0.0); }

}  // namespace

void Step::compute(const Batch& batch, bool measure) {
  batch_ = &batch;
  measure_ = measure;
  gather();
  if (model_.options.cbow) {
    average();
  } else {
    hidden_ = x_.data(), d_hidden_ = dx_.data(), hidden_rows_ = batch.words.size();
    windows_ = batch.windows;
  }
  if (model_.options.hierarchical) {
    along_paths();
  } else {
    against_words();
  }
  if (model_.options.cbow) spread();
}

/// The rows of the batch's words, and in how many windows each is.
void Step::gather() {
  const std::size_t words = batch_->words.size(), width = model_.width;
  reserve(x_, words * width);
  clear(dx_, words * width);
  for (std::size_t p = 0; p < words; ++p) {
    const auto rows = model_.rows_of(static_cast<std::size_t>(batch_->words[p]));
    float* x = x_.data() + p * width;
    if (rows.size() == 1) {
      std::copy_n(model_.input_row(rows[0]), width, x);
      continue;
    }
    std::fill_n(x, width, 0.0f);
    const float share = 1.0f / static_cast<float>(rows.size());
    for (std::uint32_t row : rows) model_.kernels->add(x, model_.input_row(row), share, width);
  }
  contexts_.assign(words, 0);
  for (std::size_t i = 0; i < batch_->windows.size(); ++i) {
    const Window window = batch_->windows[i];
    for (std::uint32_t p = window.first; p < window.last; ++p) ++contexts_[p];
    --contexts_[batch_->first + i];
  }
}

/// CBOW: what predicts a centre is the mean of its window.
void Step::average() {
  const std::size_t centres = batch_->windows.size(), width = model_.width;
  clear(h_, centres * width);
  clear(dh_, centres * width);
  windows_.clear();
  for (std::uint32_t i = 0; i < centres; ++i) {
    const Window window = batch_->windows[i];
    const bool alone = window.last - window.first < 2;
    windows_.push_back({i, alone ? i : i + 1});
    const float share = alone ? 0 : 1.0f / static_cast<float>(window.last - window.first - 1);
    for (std::uint32_t p = window.first; p < window.last; ++p) {
      if (p != batch_->first + i) model_.kernels->add(h_.data() + i * width, x_.data() + p * width, share, width);
    }
  }
  hidden_ = h_.data(), d_hidden_ = dh_.data(), hidden_rows_ = centres;
}

/// CBOW: each word of a window moves by the whole gradient of the mean.
void Step::spread() {
  const std::size_t width = model_.width;
  for (std::size_t i = 0; i < batch_->windows.size(); ++i) {
    const Window window = batch_->windows[i];
    for (std::uint32_t p = window.first; p < window.last; ++p) {
      if (p != batch_->first + i) model_.kernels->add(dx_.data() + p * width, dh_.data() + i * width, 1, width);
    }
  }
}

void Step::to_errors(std::size_t target, std::size_t targets, std::size_t centre, float label) {
  float* logits = pair_logits_.data() + target * slot_;
  if (measure_) {
    for (std::size_t t = 0; t < targets; ++t) {
      const Window window = windows_[centre + t];
      for (std::uint32_t p = window.first; p < window.last; ++p) {
        if (!model_.options.cbow && p == batch_->first + centre + t) continue;
        const double logit = logits[t * slot_ + p - window.first];
        loss += surprise(label > 0.5f ? logit : -logit);
      }
    }
  }
  model_.kernels->errors(logits, ones_.data(), batch_->rate, label, targets * slot_);
  if (model_.options.cbow) return;
  for (std::size_t t = 0; t < targets; ++t) {  // a centre does not predict itself
    logits[t * slot_ + batch_->first + centre + t - windows_[centre + t].first] = 0;
  }
}

/// Negative sampling: each centre's own word against the batch's negatives.
void Step::against_words() {
  const Kernels& kernels = *model_.kernels;
  const std::size_t width = model_.width, dim = model_.options.dim;
  const std::size_t centres = windows_.size(), shared = batch_->negatives.size();
  const auto own = batch_->words.subspan(batch_->first, centres);
  targets_.assign(own.begin(), own.end());
  targets_.insert(targets_.end(), batch_->negatives.begin(), batch_->negatives.end());
  reserve(y_, targets_.size() * width);
  clear(dy_, targets_.size() * width);
  for (std::size_t t = 0; t < targets_.size(); ++t) {
    std::copy_n(model_.output_row(static_cast<std::size_t>(targets_[t])), width, y_.data() + t * width);
  }

  // The negatives: logits = hidden · negatives^T, and both gradients are products with their errors.
  const float* negatives = y_.data() + centres * width;
  reserve(across_, dim * shared);
  for (std::size_t k = 0; k < shared; ++k) {
    for (std::size_t n = 0; n < dim; ++n) across_[n * shared + k] = negatives[k * width + n];
  }
  reserve(weights_, hidden_rows_ * shared);
  for (std::size_t p = 0; p < hidden_rows_; ++p) {
    const bool alone = model_.options.cbow && windows_[p].last == windows_[p].first;
    const auto pairs = model_.options.cbow ? static_cast<float>(!alone) : static_cast<float>(contexts_[p]);
    std::fill_n(weights_.data() + p * shared, shared, pairs);
  }
  for (std::size_t i = 0; i < centres; ++i) {
    for (std::size_t k = 0; k < shared; ++k) {
      if (batch_->negatives[k] != own[i]) continue;
      for (std::uint32_t p = windows_[i].first; p < windows_[i].last; ++p) {
        if (model_.options.cbow || p != batch_->first + i) weights_[p * shared + k] -= 1;
      }
    }
  }
  clear(logits_, hidden_rows_ * shared);
  kernels.multiply(logits_.data(), hidden_, width, 1, across_.data(), hidden_rows_, dim, shared);
  const float share = static_cast<float>(model_.options.negative) / static_cast<float>(shared);
  if (measure_) {
    for (std::size_t n = 0; n < hidden_rows_ * shared; ++n) loss += share * weights_[n] * surprise(-logits_[n]);
  }
  kernels.errors(logits_.data(), weights_.data(), batch_->rate * share, 0, hidden_rows_ * shared);
  kernels.multiply(d_hidden_, logits_.data(), shared, 1, negatives, hidden_rows_, shared, width);
  kernels.multiply(dy_.data() + centres * width, logits_.data(), 1, shared, hidden_, shared, hidden_rows_, width);

  // The centres' own words.
  ones_.resize(std::max(ones_.size(), centres * slot_), 1.0f);
  clear(pair_logits_, centres * slot_);
  for (std::size_t i = 0; i < centres; ++i) {
    kernels.window_dots(pair_logits_.data() + i * slot_, hidden_, y_.data() + i * width, windows_[i], width);
    pairs += measure_ ? batch_->windows[i].last - batch_->windows[i].first - 1 : 0;
  }
  to_errors(0, centres, 0, 1);
  for (std::size_t i = 0; i < centres; ++i) {
    kernels.window_update(pair_logits_.data() + i * slot_, hidden_, d_hidden_, y_.data() + i * width,
                          dy_.data() + i * width, windows_[i], width);
  }
}

/// Hierarchical softmax: at each node of the path to the centre's word, the way that it takes.
void Step::along_paths() {
  const Kernels& kernels = *model_.kernels;
  const HuffmanTree& tree = model_.tree;
  const std::size_t width = model_.width, centres = windows_.size();
  auto path = [&](std::size_t i) {
    const auto word = static_cast<std::size_t>(batch_->words[batch_->first + i]);
    return std::pair{tree.starts[word], tree.starts[word + 1]};
  };
  targets_.clear();
  for (std::size_t i = 0; i < centres; ++i) {
    const auto [begin, end] = path(i);
    targets_.insert(targets_.end(), tree.nodes.begin() + begin, tree.nodes.begin() + end);
  }
  reserve(y_, targets_.size() * width);
  clear(dy_, targets_.size() * width);
  ones_.resize(std::max(ones_.size(), slot_), 1.0f);
  clear(pair_logits_, targets_.size() * slot_);
  std::size_t t = 0;
  for (std::size_t i = 0; i < centres; ++i) {
    const auto [begin, end] = path(i);
    pairs += measure_ ? batch_->windows[i].last - batch_->windows[i].first - 1 : 0;
    for (std::uint32_t step = begin; step < end; ++step, ++t) {
      float* y = y_.data() + t * width;
      float* errors = pair_logits_.data() + t * slot_;
      std::copy_n(model_.output_row(static_cast<std::size_t>(targets_[t])), width, y);
      kernels.window_dots(errors, hidden_, y, windows_[i], width);
      to_errors(t, 1, i, tree.codes[step] ? 0.0f : 1.0f);
      kernels.window_update(errors, hidden_, d_hidden_, y, dy_.data() + t * width, windows_[i], width);
    }
  }
}

void Step::prefetch(const Batch& batch) const {
  const std::size_t lines = model_.width / kRowStep;
  auto fetch = [&](const float* row) {
    for (std::size_t line = 0; line < lines; ++line) __builtin_prefetch(row + line * kRowStep, 1, 2);
  };
  for (std::int32_t word : batch.words) {
    for (std::uint32_t row : model_.rows_of(static_cast<std::size_t>(word))) fetch(model_.input_row(row));
  }
  if (model_.options.hierarchical) return;
  for (std::int32_t word : batch.words.subspan(batch.first, batch.windows.size())) {
    fetch(model_.output_row(static_cast<std::size_t>(word)));
  }
  for (std::int32_t word : batch.negatives) fetch(model_.output_row(static_cast<std::size_t>(word)));
}

}  // namespace idiolect
