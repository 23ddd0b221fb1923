// Byte pair encoding learnt from counted words: the pair of neighbours that occurs most is merged everywhere, and again
// (Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units", 2016, section 3.2).
//
// What is learnt equals `tokenizers/reference.py`, which recounts every pair at every merge; the price does not:
//
//   text      all words lie in one array of symbols with an edge between two words. A merged token keeps the place of
//             the symbols it is made of, its id at its first and its last place, so both neighbours of any token are
//             found without links, and a place keeps its meaning until the next recount.
//   counts    all occurrences of a pair are born in one merge, so a count only falls, and a pair that is born too rare
//             will never be merged while commoner ones are left. So only pairs of at least a `floor` are known, few
//             enough for the cache. When none is left, the text is recounted, closed up, with a lower floor.
//   places    the places of a pair are one run of an array, ascending, filled when the pair is born. They are never
//             taken out: whoever visits one looks whether the pair is still there.
//   queue     a heap of (count, tie). A count that has fallen is put right when it comes to the top.
//
// Cost: about one visit of the array for each symbol merged away, a few times the array for the recounts (their number
// is the logarithm of the highest count). Memory: 8 bytes for each symbol of the different words, 4 for each known place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "piece_rules.hpp"

namespace idiolect {

/// Which of equally frequent pairs is merged.
enum class Tie : std::uint8_t {
  place,  // the one that comes first in the words as they are cut now
  ids,    // the smaller left id, then the smaller right id
  text,   // the shorter in characters, then the smaller bytes
};

/// The rule of this name: place, ids or text. Throws std::invalid_argument for any other.
Tie tie_of(std::string_view name);

struct LearnOptions {
  Tie tie = Tie::place;
  std::size_t most = 0;             // merges at most
  std::int64_t min_frequency = 1;   // a pair that occurs less often is not merged
  std::size_t longest = 0;          // symbols that a token may have; 0: any number
  std::vector<std::string> barred;  // texts that no token may have: the names of special tokens
};

struct Learnt {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> merges;  // ids: the base symbols', then one for each merge
  std::vector<std::int64_t> counts;                             // how often each pair occurred when it was merged
};

/// Learns merges. Add the words in the order in which they first appeared, then `run` once.
class BpeLearner {
 public:
  static constexpr std::uint32_t BREAK = UINT32_MAX;  // in a word: a symbol that merges with nothing

  /// `pieces` are the texts of the base symbols 0, 1, ...; a merge's token gets the next id. `rules` may forbid pieces.
  BpeLearner(std::vector<std::string> pieces, LearnOptions options, PieceRules rules = {});

  /// Adds a word that occurs `count` times. Throws std::invalid_argument for a symbol that is not known, a count that is
  /// negative, or more symbols than the learner can number (four billion).
  void add(std::span<const std::uint32_t> word, std::int64_t count);

  Learnt run();

 private:
  struct Slot {
    std::uint32_t symbol;  // id + 1; EDGE between words, INSIDE between the first and the last place of a token
    std::uint32_t weight;  // how often the word occurs; from LARGE on, where to look it up
  };
  struct Pair {
    std::uint32_t left, right;
    std::int64_t count;
    std::size_t begin, end;  // its places, in places_
  };
  struct Entry {
    std::int64_t count;
    std::uint64_t tie;  // smaller first
    std::uint32_t pair;
  };
  struct Beside {  // what one merge does to the pairs with one neighbour
    std::int64_t lost = 0, born = 0;
    std::uint32_t times = 0;  // how many places; 0: not met
    std::uint32_t pair = 0;   // the pair that is born, + 1; 0: none that is worth knowing
  };
  struct Applied {
    std::uint32_t place, before, after;  // where a merge was made, and the symbols on both sides
  };

  void recount();
  void merge(std::uint32_t pair);
  void bear(std::uint32_t left, std::uint32_t right, Beside& beside);
  bool worth_knowing(std::uint32_t left, std::uint32_t right, std::int64_t count) const;
  void push(std::uint32_t pair, std::uint64_t tie);
  std::uint64_t first_tie(const Pair& pair) const;
  std::uint64_t first_place(Pair& pair) const;
  bool later(const Entry& a, const Entry& b) const;
  bool is_at(const Pair& pair, std::uint32_t place) const;
  std::int64_t weight(Slot slot) const;
  std::uint32_t* find(std::uint32_t left, std::uint32_t right);
  void index(std::uint32_t pair);

  LearnOptions options_;
  PieceRules rules_;
  Learnt learnt_;
  std::int64_t floor_ = 0;  // pairs that occur less often are not known

  std::vector<std::string> pieces_;          // by id
  std::vector<std::uint32_t> lengths_;       // by symbol: in base symbols
  std::vector<std::uint32_t> spans_;         // by symbol: in places of slots_
  std::vector<Slot> slots_;                  // the text
  std::vector<std::int64_t> large_;          // weights that do not fit a slot
  std::vector<Pair> pairs_;                  // those of at least floor_
  std::vector<std::uint32_t> pair_index_;    // open addressing: a pair + 1, or 0
  std::vector<std::uint32_t> places_;
  std::vector<Entry> heap_;
  std::vector<Beside> before_, after_;       // by symbol; empty between merges
  std::vector<std::uint32_t> met_before_, met_after_;
  std::vector<Applied> applied_;
};

}  // namespace idiolect
