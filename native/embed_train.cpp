#include "embed_train.hpp"

#include <algorithm>
#include <array>
#include <barrier>
#include <memory>
#include <stdexcept>
#include <vector>

#include "embed_step.hpp"
#include "threads.hpp"

namespace idiolect {
namespace {

constexpr std::size_t kMeasured = 64;  // one batch in so many is measured

/// A block of ids, what is left of it after subsampling, and its batches.
class Block {
 public:
  Block(const EmbedModel& model, std::span<const std::int32_t> ids, double begin, double end, std::uint64_t epoch,
        std::size_t number)
      : model_(model), begin_(begin), end_(end), random_(model.options.seed, epoch, number) {
    const auto window = static_cast<std::uint32_t>(model.options.window);
    std::size_t text = 0;  // where the text begins in words_
    auto end_text = [&] {
      for (std::size_t i = text; i < words_.size(); ++i) {
        const std::size_t reach = random_.below(window) + 1;
        windows_.push_back({static_cast<std::uint32_t>(std::max(text + reach, i) - reach),
                            static_cast<std::uint32_t>(std::min(i + reach + 1, words_.size()))});
      }
      text = words_.size();
    };
    for (std::int32_t id : ids) {
      if (id == kEndOfText) end_text();
      if (id < 0) continue;
      ++seen;
      const std::uint64_t share = model.kept[static_cast<std::size_t>(id)];
      if (share >> 32 || random_() >> 32 < share) words_.push_back(id);
    }
    end_text();
  }

  /// The batch of the next centres; false where there are no more.
  bool next(Batch& batch) {
    if (at_ == words_.size()) return false;
    const EmbedOptions& options = model_.options;
    const std::size_t first = at_;
    at_ = std::min(at_ + model_.centres, words_.size());
    std::size_t from = first, to = at_;
    for (std::size_t i = first; i < at_; ++i) {
      from = std::min<std::size_t>(from, windows_[i].first);
      to = std::max<std::size_t>(to, windows_[i].last);
    }
    batch.words = std::span(words_).subspan(from, to - from);
    batch.first = first - from;
    batch.windows.clear();
    for (std::size_t i = first; i < at_; ++i) {
      const auto shift = static_cast<std::uint32_t>(from);
      batch.windows.push_back({windows_[i].first - shift, windows_[i].last - shift});
    }
    batch.negatives.resize(options.hierarchical ? 0 : options.shared);
    for (std::int32_t& word : batch.negatives) word = model_.negatives(random_);
    const double done = begin_ + (end_ - begin_) * static_cast<double>(first) / static_cast<double>(words_.size());
    batch.rate = static_cast<float>(options.rate * std::max(1 - done, 1e-4));
    measured_ = number_++ % kMeasured == 0;
    return true;
  }

  bool measured() const { return measured_; }
  std::size_t centres() const { return words_.size(); }

  std::int64_t seen = 0;

 private:
  const EmbedModel& model_;
  const double begin_, end_;  // shares of the whole training that are done before and after this block
  Random random_;
  std::vector<std::int32_t> words_;
  std::vector<Window> windows_;
  std::size_t at_ = 0;
  std::size_t number_ = 0;
  bool measured_ = false;
};

class Training {
 public:
  Training(EmbedModel& model, std::span<const std::int32_t> ids, std::uint64_t epoch, std::size_t first,
           std::size_t blocks)
      : model_(model), ids_(ids), epoch_(epoch), first_(first), all_(blocks), count_((ids.size() + kBlock - 1) / kBlock) {
    for (std::int32_t id : ids) {
      if (id < kRareWord || (id >= 0 && static_cast<std::size_t>(id) >= model.words)) {
        throw std::invalid_argument("There is no word of this number.");
      }
    }
    if (epoch >= model.options.epochs || first + count_ > blocks) {
      throw std::invalid_argument("There is no such block of words.");
    }
  }

  Trained fast(std::size_t threads) {
    threads = std::min(thread_count(threads), std::max<std::size_t>(count_, 1));
    std::vector<Trained> sums(threads);
    std::vector<std::unique_ptr<Step>> steps;
    for (std::size_t n = 0; n < threads; ++n) steps.push_back(std::make_unique<Step>(model_));
    parallel_for(count_, threads, [&](std::size_t number, std::size_t thread) {
      Step& step = *steps[thread];
      Block block = read(number, sums[thread]);
      std::array<Batch, 2> batches;
      std::size_t now = 0;
      bool more = block.next(batches[now]);
      while (more) {
        const bool measure = block.measured();
        more = block.next(batches[1 - now]);
        if (more) step.prefetch(batches[1 - now]);
        step.compute(batches[now], measure);
        step.add_to(model_, [](std::uint32_t) { return true; });
        now = 1 - now;
      }
    });
    Trained sum;
    for (std::size_t n = 0; n < threads; ++n) add(sum, sums[n], *steps[n]);
    return sum;
  }

  Trained deterministic(std::size_t threads) {
    threads = std::min(thread_count(threads), kLanes);
    Trained sum;
    std::vector<std::unique_ptr<Step>> steps;
    for (std::size_t lane = 0; lane < kLanes; ++lane) steps.push_back(std::make_unique<Step>(model_));
    std::barrier meeting(static_cast<std::ptrdiff_t>(threads));
    std::array<Trained, kLanes> sums;
    std::array<bool, kLanes> more;
    // A team: every thread runs this to its end, and all stand at the same round.
    auto run = [&](std::size_t, std::size_t thread) {
      std::array<Batch, kLanes> batches;
      for (std::size_t group = 0; group < count_; group += kLanes) {
        std::array<std::unique_ptr<Block>, kLanes> blocks;
        for (std::size_t lane = thread; lane < kLanes; lane += threads) {
          if (group + lane < count_) blocks[lane] = std::make_unique<Block>(read(group + lane, sums[lane]));
        }
        for (bool any = true; any;) {
          for (std::size_t lane = thread; lane < kLanes; lane += threads) {
            more[lane] = blocks[lane] && blocks[lane]->next(batches[lane]);
            if (more[lane]) steps[lane]->compute(batches[lane], blocks[lane]->measured());
          }
          meeting.arrive_and_wait();
          any = false;
          for (std::size_t lane = 0; lane < kLanes; ++lane) {
            if (!more[lane]) continue;
            any = true;
            steps[lane]->add_to(model_, [&](std::uint32_t row) { return row % threads == thread; });
          }
          meeting.arrive_and_wait();
        }
      }
    };
    {
      std::vector<std::jthread> others;
      for (std::size_t thread = 1; thread < threads; ++thread) others.emplace_back(run, thread, thread);
      run(0, 0);
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) add(sum, sums[lane], *steps[lane]);
    return sum;
  }

 private:
  Block read(std::size_t number, Trained& sum) const {
    const auto span = ids_.subspan(number * kBlock, std::min(kBlock, ids_.size() - number * kBlock));
    const auto all = static_cast<double>(all_) * static_cast<double>(model_.options.epochs);
    const auto done = static_cast<double>(epoch_ * all_ + first_ + number);
    Block block(model_, span, done / all, (done + 1) / all, epoch_, first_ + number);
    sum.words += block.seen;
    sum.centres += static_cast<std::int64_t>(block.centres());
    return block;
  }

  static void add(Trained& sum, const Trained& part, const Step& step) {
    sum.words += part.words;
    sum.centres += part.centres;
    sum.loss += step.loss;
    sum.pairs += static_cast<std::int64_t>(step.pairs);
  }

  EmbedModel& model_;
  std::span<const std::int32_t> ids_;
  std::uint64_t epoch_;
  std::size_t first_, all_, count_;
};

}  // namespace

Trained train(EmbedModel& model, std::span<const std::int32_t> ids, std::uint64_t epoch, std::size_t first,
              std::size_t blocks, std::size_t threads, bool deterministic) {
  Training training(model, ids, epoch, first, blocks);
  return deterministic ? training.deterministic(threads) : training.fast(threads);
}

}  // namespace idiolect
