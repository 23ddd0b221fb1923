// What SentencePiece does to the spaces of a text before it learns from it, natively: lines, runs of spaces, the mark.
//
// The same as `tokenizers/normalize.py` does with these settings, which also has the other ways to normalize. Linear.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace idiolect {

struct Spaces {
  bool lines = false;     // each line is a text of its own, without its newline
  bool collapse = false;  // runs of spaces become one, and those at the ends go
  bool prefix = false;    // a text that is not empty gets a space in front
  bool mark = false;      // spaces become ▁
  std::vector<std::string> names;  // of special tokens: they become U+001F, which no piece has

  bool change_nothing() const { return !lines && !collapse && !prefix && !mark && names.empty(); }
  /// Whether, cut before each ▁, every word is a ▁ and what stands between two spaces, unless `need_care`.
  bool give_plain_words() const { return lines && collapse && prefix && mark; }
};

/// Whether the text has a ▁ of its own, or one of the names.
bool need_care(const Spaces& spaces, std::string_view text);

/// Appends the text to `out` as the settings say, and to `ends` where each of its lines ends there.
void treat_spaces(const Spaces& spaces, std::string_view text, std::string& out, std::vector<std::size_t>& ends);

}  // namespace idiolect
