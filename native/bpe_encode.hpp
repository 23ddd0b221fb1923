// Encoding by BPE: texts to ids in threads, the same ids for any number of them.
//
// A text is cut into words (split.hpp); a word met before comes from the thread's cache (word_cache.hpp), another is merged
// (bpe_model.hpp) and kept. Long texts are cut where no word can cross (text_cuts.hpp), short ones go together, so that
// each piece of work is about kPiece bytes, which with its ids stays in the cache of a core; its ids are copied once.
//
// Cost: English from memory to ids takes some 20 instructions a byte. Memory: 4 bytes an id, and for each thread up to
// some 30 MB of cache, kept for the next call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "bpe_model.hpp"
#include "ids.hpp"
#include "word_cache.hpp"

namespace idiolect {

/// The ids of texts, end to end; text n has those from starts[n] to starts[n + 1].
struct Encoded {
  Ids ids;
  std::vector<std::int64_t> starts;
};

class BpeEncoder {
 public:
  explicit BpeEncoder(BpeSettings settings) : model_(std::move(settings)) {}

  const BpeModel& model() const { return model_; }

  /// The ids of each text. With `check`, a text that is not UTF-8 is refused (std::invalid_argument).
  Encoded encode(std::span<const std::string_view> texts, std::size_t threads, bool check) const;

  /// The ids of one text: what `encode` gives, with less ado for a short one.
  Ids encode_text(std::string_view text) const;

  /// The ids of a text with BPE-dropout, which a seed determines.
  std::vector<std::uint32_t> sample(std::string_view text, double dropout, std::uint64_t seed) const;

  /// The ids of a text and how many of its bytes each stands for. Slower than `encode`: nothing is kept.
  std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> encode_lengths(std::string_view text) const;

 private:
  static constexpr std::size_t kPiece = 1 << 17;  // bytes of text that are one piece of work
  static constexpr std::size_t kBatch = 128;       // words that are looked up together

  /// What one thread works with.
  struct Workspace {
    WordCache cache;
    MergeSpace space;
    std::vector<std::uint32_t> merged;
    Ids ids;
  };
  struct Piece {
    std::size_t text, texts;  // whole texts from this one on, or
    std::size_t begin, end;   // this stretch of the one
  };
  std::vector<Piece> cut(std::span<const std::string_view> texts) const;
  void encode_piece(std::string_view text, Workspace& work) const;
  void encode_words(const std::string_view* words, std::size_t count, const char* end, Workspace& work) const;
  std::span<const std::uint32_t> merge(std::string_view word, Workspace& work) const;
  template <class Emit>
  void each_word(std::string_view text, Emit&& emit) const;
  std::unique_ptr<Workspace> borrow() const;
  void give_back(std::unique_ptr<Workspace> work) const;

  BpeModel model_;
  mutable std::mutex guard_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  // caches of earlier calls
};

}  // namespace idiolect
