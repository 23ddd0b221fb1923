// Which pieces SentencePiece's trainers allow, asked of two pieces that may become one, in constant time.
//
// A piece has at most so many characters, has the mark of a space (U+2581) only in front, mixes no scripts, and where
// asked no digits with other characters or with each other (trainer_interface.cc, IsValidSentencePiece). Two allowed
// pieces make an allowed one if what meets in the middle fits, so a few numbers for each piece are enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace idiolect {

struct PieceRuleOptions {
  bool by_script = true;   // no piece mixes scripts (split_by_unicode_script)
  bool by_number = true;   // a digit is a sign like others; false: a digit goes with every script (split_by_number)
  bool digits = false;     // every digit is a piece by itself (split_digits)
};

/// The rules for the pieces of one learner, which are numbered as they are added. As made by default it allows all.
class PieceRules {
 public:
  PieceRules() = default;
  explicit PieceRules(PieceRuleOptions options) : active_(true), options_(options) {}

  /// The next piece: one character.
  void add(const std::string& character);
  /// The next piece: two put together.
  void add(std::uint32_t left, std::uint32_t right);
  /// Whether the two may become one piece. Their length is for the caller to look at.
  bool allow(std::uint32_t left, std::uint32_t right) const;

 private:
  static constexpr std::uint8_t kAnyScript = UINT8_MAX;  // nothing yet, or a digit where digits go with every script

  struct Ends {
    std::uint8_t first = kAnyScript;  // script of the first character that has one of its own
    std::uint8_t last = kAnyScript;   // script that holds at the end
    bool only_marks = true;           // no character has a script of its own
    bool spaced = false;              // it has the mark of a space
    bool digit = false;               // it has a digit
  };

  bool active_ = false;
  PieceRuleOptions options_;
  std::vector<Ends> pieces_;
};

}  // namespace idiolect
