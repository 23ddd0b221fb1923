// The class of a character: letter of some case, mark, number, space, newline, or none of these.
//
// What the patterns that cut text into words need to know, as the `regex` package sees it (make_unicode_tables.py).
// Every character has exactly one class, and a class is one bit, so a set of classes is a mask and belonging to it one
// AND. A look-up is two loads; the tables take some 50 kB, of which a text touches the few blocks of its script.
#pragma once

#include <cstdint>

namespace idiolect {

using Classes = std::uint8_t;  // a class, or a set of classes

constexpr Classes kOther = 1 << 0;        // signs, controls, unassigned, and bytes that are no UTF-8
constexpr Classes kNumber = 1 << 1;       // \p{N}
constexpr Classes kBlank = 1 << 2;        // \s but for the two newlines below
constexpr Classes kNewline = 1 << 3;      // \r and \n
constexpr Classes kMark = 1 << 4;         // \p{M}
constexpr Classes kUpper = 1 << 5;        // \p{Lu}, \p{Lt}
constexpr Classes kLower = 1 << 6;        // \p{Ll}
constexpr Classes kOtherLetter = 1 << 7;  // \p{Lm}, \p{Lo}

constexpr Classes kLetter = kUpper | kLower | kOtherLetter;  // \p{L}
constexpr Classes kSpace = kBlank | kNewline;                // \s
constexpr Classes kSign = kOther | kMark;                    // [^\s\p{L}\p{N}]

extern const std::uint16_t unicode_block[0x110000 / 128];
extern const std::uint8_t unicode_class[][128];

/// The class of a code point, which must be below 0x110000.
inline Classes class_of(char32_t code) { return unicode_class[unicode_block[code / 128]][code % 128]; }

}  // namespace idiolect
