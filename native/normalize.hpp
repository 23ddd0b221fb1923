// Normalising text as SentencePiece does: its precompiled rule table, then its treatment of spaces.
//
// The same as `tokenizers/reference_normalize.py`, which says what a table is and what is done. A table is checked whole
// when it is read (a millisecond or so), so that applying it need not look; one that points outside itself, or has rules
// that are not UTF-8, is refused. Applying costs a look-up a byte, and less where ASCII has no rules.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace idiolect {

/// SentencePiece's `precompiled_charsmap`: strings and what each becomes.
class RuleTable {
 public:
  /// Reads a table; one of no bytes has no rules. Throws std::invalid_argument where it is damaged.
  explicit RuleTable(std::string_view table);

  struct Match {
    std::size_t bytes = 0;    // of the longest rule that fits; 0: none does
    std::string_view output;  // what it becomes
  };

  /// The longest rule that fits at `at`, which must lie before `end`.
  Match longest(const char* at, const char* end) const;

  /// Whether a byte is a character that stays as it is, whatever ASCII character follows it.
  bool plain(unsigned char byte) const { return plain_[byte]; }

 private:
  std::uint32_t base(std::uint32_t node) const;
  std::string_view output(std::uint32_t node) const;
  bool ends_rule(std::uint32_t node) const { return units_[node] >> 8 & 1; }
  bool leads(std::uint32_t child, unsigned char byte) const { return (units_[child] & 0x800000FF) == byte; }
  template <class Visit>
  void characters_after(std::uint32_t node, Visit&& visit) const;
  void check();

  std::vector<std::uint32_t> units_;
  std::string outputs_;
  std::array<bool, 256> plain_{};
};

class Normalizer {
 public:
  struct Spaces {
    bool collapse = false;     // runs of spaces become one, and those at the ends go
    bool prefix = false;       // a text that is not empty gets a space in front,
    bool prefix_once = false;  // unless it begins with what a space is written as
    bool mark = false;         // spaces become ▁
    bool suffix = false;       // the space of `prefix` comes behind the text instead
  };

  /// `kept`: strings that no rule changes where they stand, the longest first (SentencePiece's user-defined pieces).
  /// Throws std::invalid_argument where the table is damaged.
  Normalizer(std::string_view table, Spaces spaces, const std::vector<std::string>& kept = {});

  /// Appends the text, normalised. A byte that is not UTF-8 becomes U+FFFD, as it does in SentencePiece.
  void append(std::string_view text, std::string& out) const;

 private:
  std::size_t kept(std::string_view text) const;

  RuleTable rules_;
  Spaces spaces_;
  std::array<std::vector<std::string>, 256> kept_;  // by their first byte, the longest first
  std::array<bool, 256> plain_{};                   // bytes that the table calls plain, and that begin nothing kept
};

}  // namespace idiolect
