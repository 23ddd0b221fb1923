// Counting the different words of texts, in threads: what every learner starts from.
//
// A text is cut by a pattern (split.hpp) and each word looked up in a table of the thread's own: open addressing, 32
// bytes an entry, a word of up to 15 bytes inside its entry and a longer one in an arena. The tables are put together
// at the end. Counts have 64 bits. The words come out in the order of their first appearance, whatever the number of
// threads and the sizes of the batches.
//
// With a memory cap the words counted so far are put together every so many bytes of text, and when they take more than
// half the cap the rarest are forgotten (Manku and Motwani, "Approximate frequency counts over data streams", 2002, do
// this by the bucket). A word that is lost, or was lost and came again, has at most `missing` occurrences more than are
// told. This too does not depend on the number of threads.
//
// Cost: one pass; some 5 ns a word beside the cutting while the table fits the cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spaces.hpp"
#include "split.hpp"

namespace idiolect {

struct CountedWords {
  std::string bytes;                       // the words end to end, in the order of their first appearance
  std::vector<std::uint64_t> starts = {0};  // where each begins, and where the last ends
  std::vector<std::int64_t> counts;
  std::int64_t missing = 0;    // at most so many occurrences of any one word are not in its count
  std::uint64_t forgotten = 0;  // how many times a word was forgotten

  std::size_t size() const { return counts.size(); }
  std::string_view operator[](std::size_t number) const {
    return std::string_view(bytes).substr(starts[number], starts[number + 1] - starts[number]);
  }
};

class WordCounter {
 public:
  /// `threads` 0: as many as the process may use. `max_memory`: bytes for the tables, at least 1 MiB; 0: no cap.
  /// `spaces`: what is done to a text before it is cut.
  explicit WordCounter(Pattern pattern, std::size_t threads = 0, std::size_t max_memory = 0, Spaces spaces = {});
  ~WordCounter();
  WordCounter(const WordCounter&) = delete;
  WordCounter& operator=(const WordCounter&) = delete;

  /// Counts texts, each cut on its own. They need not stay.
  void add(std::span<const std::string_view> texts);

  /// Adds words counted elsewhere; `word` is not cut. Throws std::invalid_argument for a negative count, or a word without
  /// the mark that all others have.
  void add_word(std::string_view word, std::int64_t count);

  /// All words; the counter is empty afterwards.
  CountedWords finish();

 private:
  class Table;

  void settle();
  void forget(std::size_t most_bytes);

  Pattern pattern_;
  Spaces spaces_;
  std::string_view dropped_;  // what every word begins with, and the tables' words do without
  std::size_t threads_;
  std::size_t max_memory_;
  std::uint64_t position_ = 0;   // of the next text; words are ordered by it
  std::uint64_t unsettled_ = 0;  // bytes of text since the tables were put together
  std::int64_t missing_ = 0;
  std::uint64_t forgotten_ = 0;
  std::vector<std::unique_ptr<Table>> tables_;  // one for each thread; the first has what is put together
};

}  // namespace idiolect
