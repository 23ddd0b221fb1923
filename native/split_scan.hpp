// The scanners: hand-written, one for each pattern that cuts text into words; no regex engine.
//
// A scanner takes the place where a word begins and gives the place where it ends. Each is the regular expression of
// the same name in `patterns.py` turned into code, alternative by alternative; the comments quote it. Tests hold that
// the two cut alike. Words put together are the text, whatever its bytes: a byte that is not UTF-8 is one character of
// class kOther. The cost is linear in the text: no character is looked at more than a few times. ASCII is classed by
// a table of 256, all else by decoding and two look-ups.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "unicode.hpp"
#include "utf8.hpp"

namespace idiolect {

/// SentencePiece's mark for a space, U+2581.
constexpr std::string_view kMetaspace = "\xE2\x96\x81";

}  // namespace idiolect

namespace idiolect::scan {

// Characters and runs of them

/// The class of each byte that is a character by itself, and 0 for the bytes of longer characters.
constexpr std::array<Classes, 256> kByteClass = [] {
  std::array<Classes, 256> table{};
  for (int byte = 0; byte < 128; ++byte) {
    if (byte == '\r' || byte == '\n') table[byte] = kNewline;
    else if (byte == ' ' || (byte >= '\t' && byte <= '\r')) table[byte] = kBlank;
    else if (byte >= '0' && byte <= '9') table[byte] = kNumber;
    else if (byte >= 'A' && byte <= 'Z') table[byte] = kUpper;
    else if (byte >= 'a' && byte <= 'z') table[byte] = kLower;
    else table[byte] = kOther;
  }
  return table;
}();

struct Classed {
  Classes kind;
  std::size_t bytes;
};

/// The class and the length of the character at `at`; at the end of the text, no class and no length.
inline Classed classed(const char* at, const char* end) {
  if (at == end) return {0, 0};
  if (const Classes kind = kByteClass[static_cast<unsigned char>(*at)]) return {kind, 1};
  const Character character = decode(at, end);
  return {character.code == kInvalid ? kOther : class_of(character.code), character.bytes};
}

/// Where the run of characters of these classes that begins at `at` ends: `[...]*`.
template <Classes kinds>
inline const char* run(const char* at, const char* end) {
  for (;;) {
    while (at < end && (kByteClass[static_cast<unsigned char>(*at)] & kinds)) ++at;
    if (at == end || static_cast<unsigned char>(*at) < 0x80) return at;
    do {
      const Classed next = classed(at, end);
      if (!(next.kind & kinds)) return at;
      at += next.bytes;
    } while (at < end && static_cast<unsigned char>(*at) >= 0x80);
  }
}

/// As `run`, but for at most `most` characters: `[...]{0,most}`.
template <Classes kinds>
inline const char* run(const char* at, const char* end, int most) {
  for (; most > 0; --most) {
    const Classed next = classed(at, end);
    if (!(next.kind & kinds)) return at;
    at += next.bytes;
  }
  return at;
}

/// The beginning of the character that ends before `at`; what stands there must be valid UTF-8.
inline const char* before(const char* at) {
  do --at;
  while ((static_cast<unsigned char>(*at) & 0xC0) == 0x80);
  return at;
}

// Parts that several patterns share

enum class Case { lower, any };

/// Where an English contraction ends: `'s|'t|'re|'ve|'m|'ll|'d`; `at` itself where there is none.
/// In any case of letters, ſ (U+017F) is an s too, as it is for `regex`.
template <Case letters>
inline const char* contraction(const char* at, const char* end) {
  auto letter = [&](std::ptrdiff_t n) -> char {
    if (end - at <= n) return 0;
    if (letters == Case::any && at[n] >= 'A' && at[n] <= 'Z') return static_cast<char>(at[n] + ('a' - 'A'));
    return at[n];
  };
  if (letter(0) != '\'') return at;
  switch (letter(1)) {
    case 's': case 't': case 'm': case 'd': return at + 2;
    case 'r': case 'v': return letter(2) == 'e' ? at + 3 : at;
    case 'l': return letter(2) == 'l' ? at + 3 : at;
    case '\xC5': return letters == Case::any && letter(2) == '\xBF' ? at + 3 : at;
    default: return at;
  }
}

/// Where a run of spaces ends, as a word: `\s+(?!\S)|\s+`. The last space is left for the word that follows.
inline const char* spaces(const char* at, const char* end) {
  const char* stop = run<kSpace>(at, end);
  if (stop == end) return stop;
  const char* last = before(stop);
  return last == at ? stop : last;
}

/// As `spaces`, but up to the last newline where there is one: `\s*[\r\n]+|\s+(?!\S)|\s+`.
inline const char* lines(const char* at, const char* end) {
  const char* stop = run<kSpace>(at, end);
  for (const char* newline = stop; newline > at; --newline) {
    if (newline[-1] == '\n' || newline[-1] == '\r') return newline;
  }
  if (stop == end) return stop;
  const char* last = before(stop);
  return last == at ? stop : last;
}

// The patterns. Each takes at < end and gives a later place.

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
struct Gpt2 {
  const char* operator()(const char* at, const char* end) const {
    if (const char* stop = contraction<Case::lower>(at, end); stop > at) return stop;
    const char* start = at + (*at == ' ');
    const Classed first = classed(start, end);
    if (first.kind & kLetter) return run<kLetter>(start + first.bytes, end);
    if (first.kind & kNumber) return run<kNumber>(start + first.bytes, end);
    if (first.kind & kSign) return run<kSign>(start + first.bytes, end);
    return spaces(at, end);
  }
};

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
template <int digits>
struct Cl100k {
  const char* operator()(const char* at, const char* end) const {
    if (const char* stop = contraction<Case::any>(at, end); stop > at) return stop;
    const Classed first = classed(at, end);
    const char* second = at + first.bytes;
    if (first.kind & kLetter) return run<kLetter>(second, end);
    if (first.kind & kNumber) return run<kNumber>(at, end, digits);
    if (first.kind & kNewline) return lines(at, end);
    const Classed next = classed(second, end);
    if (next.kind & kLetter) return run<kLetter>(second + next.bytes, end);
    if (first.kind & kSign) return run<kNewline>(run<kSign>(second, end), end);
    if (*at == ' ' && (next.kind & kSign)) return run<kNewline>(run<kSign>(second + next.bytes, end), end);
    return lines(at, end);
  }
};

/// A word of letters as o200k sees it, in which capitals come first. With U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and
/// L = [\p{Ll}\p{Lm}\p{Lo}\p{M}], which overlap in letters without case and marks, and C the contractions in any case:
///
/// `[^\r\n\p{L}\p{N}]?U*L+C?|[^\r\n\p{L}\p{N}]?U+L*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
struct O200k {
  static constexpr Classes kBoth = kOtherLetter | kMark;
  static constexpr Classes kUpperOrBoth = kUpper | kBoth;
  static constexpr Classes kLowerOrBoth = kLower | kBoth;

  /// Where `U*L+` ends, or `U+` where there is no L. An engine that backtracks takes all of U, and gives back what it
  /// must: with no L after it, all that follows the last character of U that is an L too.
  struct Capitals {
    const char* lower;  // the end of U*L+, or nullptr
    const char* upper;  // the end of U+L*, where lower is nullptr; `at` itself where there is no U either
  };

  static Capitals letters(const char* at, const char* end) {
    const char* last = nullptr;  // the end of the last character that is of both
    for (;;) {
      const Classed next = classed(at, end);
      if (next.kind & kLower) return {run<kLowerOrBoth>(at + next.bytes, end), nullptr};
      if (!(next.kind & kUpperOrBoth)) return {last, at};
      at += next.bytes;
      if (next.kind & kBoth) last = at;
    }
  }

  const char* operator()(const char* at, const char* end) const {
    const Classed first = classed(at, end);
    const char* second = at + first.bytes;
    if (first.kind & kNumber) return run<kNumber>(at, end, 3);
    if (!(first.kind & kNewline)) {
      // In the order of the engine: U*L+ after one sign and without, then U+L* in the same way.
      const Capitals after = first.kind & kLetter ? Capitals{nullptr, second} : letters(second, end);
      if (after.lower) return contraction<Case::any>(after.lower, end);
      const Capitals here = letters(at, end);
      if (here.lower) return contraction<Case::any>(here.lower, end);
      if (after.upper > second) return contraction<Case::any>(after.upper, end);
      if (here.upper > at) return contraction<Case::any>(here.upper, end);
    }
    const char* start = at + (*at == ' ');
    const char* stop = run<kSign>(start, end);
    if (stop == start) return lines(at, end);
    while (stop < end && (*stop == '\r' || *stop == '\n' || *stop == '/')) ++stop;
    return stop;
  }
};

/// `\s*\S+|\s+`
struct Whitespace {
  const char* operator()(const char* at, const char* end) const {
    constexpr Classes kNotSpace = static_cast<Classes>(~kSpace);
    return run<kNotSpace>(run<kSpace>(at, end), end);
  }
};

/// `▁[^▁]*|[^▁]+`
struct Metaspace {
  const char* operator()(const char* at, const char* end) const {
    const std::string_view rest(at, static_cast<std::size_t>(end - at));
    const std::size_t next = rest.find(kMetaspace, 1);  // ▁ begins with a byte that continues no other character
    return next == rest.npos ? end : at + next;
  }
};

/// `[\s\S]+`
struct None {
  const char* operator()(const char*, const char* end) const { return end; }
};

template <class Scanner, class Emit>
void each(std::string_view text, Emit&& emit) {
  const Scanner scanner{};
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    const char* stop = scanner(at, end);
    emit(std::string_view(at, static_cast<std::size_t>(stop - at)));
    at = stop;
  }
}

}  // namespace idiolect::scan
