// Counting the words that the unigram model learns from: one pass over the text, each different word kept once.
//
// A word begins at each boundary mark ▁ (which stands for a space), because no piece has a mark anywhere but in front.
// Where the learner is free to choose, it is cut further, wherever no piece can reach across: between scripts (between
// letters and digits or signs, too) and around newlines. Fewer different words, and shorter ones.
//
// Costs: about 150 MB/s a thread, and for each different word its bytes and 32 more. The result does not depend on the
// number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace idiolect {

/// A table from strings to counts: open addressing over one arena of bytes.
class StringCounts {
 public:
  StringCounts();
  void add(std::string_view key, std::int64_t count);
  std::size_t size() const { return used_; }
  /// Calls use(key, count) for each key, in no particular order.
  template <class Use>
  void each(Use&& use) const {
    for (const Slot& slot : slots_)
      if (slot.count != 0) use(std::string_view(arena_).substr(slot.offset, slot.length), slot.count);
  }

 private:
  struct Slot {
    std::uint64_t offset = 0;
    std::int64_t count = 0;  // 0: the slot is free
    std::uint32_t length = 0;
    std::uint32_t hash = 0;
  };
  void grow();
  std::vector<Slot> slots_;
  std::string arena_;
  std::size_t used_ = 0;
};

struct WordCounting {
  bool lines = false;           // a sentence is a line; else a whole text
  bool collapse_spaces = false;  // spaces at the ends of a sentence go, runs of them become one
  bool prefix_space = false;    // a mark before each sentence
  bool cut_scripts = false;     // cut at scripts and newlines, too
  bool ends = false;            // a word that ends a sentence is kept apart: it is followed by NUL (SentencePiece's seeds)
  std::size_t longest_sentence = 0;  // longer ones (bytes, before anything is done) are left out; 0: no limit
};

class UnigramWords {
 public:
  /// `threads` 0: as many as this process may use.
  UnigramWords(WordCounting options, std::size_t threads);

  /// Counts the words of these texts (UTF-8, spaces not yet replaced); a sentence lies within one text.
  void add(std::span<const std::string_view> texts);

  /// The words with their counts, in no order; with the marks written out. With `ends`,
  /// the very last word of all ends in NUL, the other last words of sentences in NUL and the character that follows.
  std::vector<std::pair<std::string, std::int64_t>> counts() const;

  std::int64_t sentences() const;  // counted
  std::int64_t left_out() const;   // too long, or with U+2585, which stands for the unknown

 private:
  struct Table {
    StringCounts counts;
    std::string pending, scratch, sentence;  // `pending`: the last word of the latest sentence, its follower unknown yet
    std::uint64_t latest = 0;  // the number of the text that `pending` is from
    std::int64_t sentences = 0, left_out = 0;
  };
  template <class Use>
  void each_sentence(std::string_view text, Use&& use) const;
  bool is_taken(std::string_view sentence) const;
  void follow_blank(std::span<const std::string_view> texts);
  void text(Table& table, std::string_view text, std::uint64_t number) const;
  void one(Table& table, std::string_view sentence) const;
  void word(Table& table, std::string_view word, bool last) const;
  void cut(Table& table, std::string_view word) const;
  WordCounting options_;
  std::size_t threads_;
  std::vector<Table> tables_;
  std::uint64_t texts_ = 0;

  // SentencePiece puts its last sentence in the place of each that is nothing but spaces. So where there are `blank_` of
  // those, the last of all is the first other one among the latest `blank_` + 1: their last words, empty for blank ones.
  std::size_t blank_ = 0;
  std::deque<std::string> last_words_;
};

}  // namespace idiolect
