// How often words stand near each other: what GloVe and PPMI learn from.
//
// Two words of a text at a distance of d <= window count 1/d, in both directions. Weights are whole numbers of 2^-24, so
// the sums are exact: they do not depend on the number of threads, nor on what was written out when.
//
// Each thread has a square of counts for the most frequent words, and for the others a table with open addressing whose
// places are in the order of its keys. A table that is full is written to a file as a sorted run; `finish` merges the
// runs. The keys are pairs of words under a bijection that scatters them, so what `finish` writes is in a random order,
// as training wants it, and in the same one for the same counts.
//
// Cost: a look-up for each pair of positions, 16 bytes in memory and in runs for each different pair, 12 in what comes
// out. Memory: what it is given, whatever the corpus; `finish` takes up to some 40 MB beside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace idiolect {

/// Words first <= second, and the weight of their meetings in each direction.
struct Cooccurrence {
  std::uint32_t first, second;
  float weight;
};
static_assert(sizeof(Cooccurrence) == 12);

class CooccurrenceCounter {
 public:
  /// `memory`: bytes, shared among the threads. `runs`: path of a file for what it cannot hold, made when there is need.
  /// Throws std::invalid_argument for no words, no window, or less than 1 MiB.
  CooccurrenceCounter(std::size_t words, std::size_t window, std::size_t memory, std::size_t threads, std::string runs);
  ~CooccurrenceCounter();

  /// Counts a stretch of a stream of ids (embed_train.hpp: ends of texts, rare words); a text may go on in the next.
  /// Throws std::invalid_argument for ids that are no words, std::runtime_error where the disk does not take a run.
  void add(std::span<const std::int32_t> ids);

  /// Writes all pairs to a file and says how many they are; the counter is of no use afterwards.
  std::uint64_t finish(const std::string& path);

  /// Runs written so far.
  std::size_t runs() const { return runs_.size(); }

 private:
  class Table;
  struct Entry {
    std::uint64_t key, weight;  // weight 0: free
  };
  struct Run {
    std::uint64_t begin, size;  // in entries
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, Close>;
  class Reader;

  void write_run(std::span<const Entry> entries);

  const std::size_t words_, window_, threads_;
  const std::string path_;
  File file_;
  std::mutex guard_;
  std::vector<Run> runs_;
  std::vector<std::int32_t> tail_;  // the last words of the text that goes on
  std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace idiolect
