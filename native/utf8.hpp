// Reading UTF-8 one character at a time, from any bytes, and writing a character.
//
// A byte that belongs to no valid sequence (a stray continuation byte, an overlong form, half a character, a surrogate)
// is one character by itself, so that every text can be walked from end to end. Constant time a character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace idiolect {

constexpr char32_t kInvalid = 0xFFFFFFFF;  // no code point: the byte is not UTF-8

struct Character {
  char32_t code;      // below 0x110000, or kInvalid
  std::size_t bytes;  // 1 to 4
};

/// The character that begins at `at`, which must lie before `end`.
inline Character decode(const char* at, const char* end) {
  auto byte = [at](std::size_t n) { return static_cast<char32_t>(static_cast<unsigned char>(at[n])); };
  auto continues = [&](std::size_t n) { return (byte(n) & 0xC0) == 0x80; };
  const char32_t first = byte(0);
  const std::size_t left = static_cast<std::size_t>(end - at);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) {
    if (first >= 0xC2 && left >= 2 && continues(1)) return {(first & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  } else if (first < 0xF0) {
    if (left >= 3 && continues(1) && continues(2)) {
      const char32_t code = (first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
      if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) return {code, 3};
    }
  } else if (first < 0xF5) {
    if (left >= 4 && continues(1) && continues(2) && continues(3)) {
      const char32_t code = (first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
      if (code >= 0x10000 && code < 0x110000) return {code, 4};
    }
  }
  return {kInvalid, 1};
}

/// The bytes of a code point.
inline std::string utf8_of(char32_t code) {
  auto byte = [](char32_t bits) { return static_cast<char>(static_cast<unsigned char>(bits)); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F))};
  if (code < 0x10000) return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
}

}  // namespace idiolect
