// Which script a character belongs to, as SentencePiece sees it, and with it where a unigram piece may not reach across.
//
// A piece never mixes scripts: "don't" can give "don" and "t" but no "n't". The table is of Unicode 9.0, with Hiragana
// and Katakana counted as Han (make_script_table.py says why). One look-up in a table of 196 KiB, made at first use.
#pragma once

#include <cstdint>

namespace idiolect {

constexpr std::uint8_t kCommonScript = 0;     // digits, signs, whatever is in no script
constexpr std::uint8_t kInheritedScript = 1;  // marks that take the script of what they stand on

/// The number of the script of a code point.
std::uint8_t script_of(char32_t code);

}  // namespace idiolect
