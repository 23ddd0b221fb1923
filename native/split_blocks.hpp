// Words of ASCII text, 64 bytes at a time: what makes most patterns several times as fast as their scanners.
//
// A block begins where a word begins. Each class of characters becomes a mask of 64 bits, one for each byte; a few
// shifts of these masks say where words begin, without a branch that depends on the text; and a loop over the bits
// hands the words out. The next block begins at the last word found, so nothing is carried from block to block. The
// scanners of split.hpp go on where a block cannot: at characters beyond ASCII, in words longer than a block, and in
// the last 64 bytes. Needs SSE2, which every x86-64 has; elsewhere the scanners do all the work.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "split_scan.hpp"

namespace idiolect::scan {

#ifdef __SSE2__

using Mask = std::uint64_t;  // bit n: the byte at the beginning of the block + n

struct Block {
  Mask letter = 0, upper = 0, number = 0, space = 0, blank = 0, newline = 0, quote = 0, slash = 0, beyond = 0;
  // space: ' ' alone; blank: all of \s but newline, which is \r and \n; beyond: not ASCII

  explicit Block(const char* at) {
    for (int part = 0; part < 4; ++part) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16 * part));
      auto is = [&](char byte) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte)); };
      auto from = [](__m128i of, char first, char count) {  // first <= byte < first + count, as unsigned numbers
        const __m128i above = _mm_sub_epi8(of, _mm_set1_epi8(first));
        return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8(static_cast<char>(count - 1))), above);
      };
      auto add = [part](Mask& mask, __m128i found) {
        mask |= static_cast<Mask>(static_cast<unsigned>(_mm_movemask_epi8(found))) << (16 * part);
      };
      add(letter, from(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26));
      add(upper, from(bytes, 'A', 26));
      add(number, from(bytes, '0', 10));
      add(space, is(' '));
      add(blank, _mm_or_si128(is(' '), from(bytes, '\t', 5)));
      add(newline, _mm_or_si128(is('\r'), is('\n')));
      add(quote, is('\''));
      add(slash, is('/'));
      add(beyond, bytes);
    }
    blank &= ~newline;
  }
};

/// The bits below `bit`, which may be 64.
constexpr Mask below(int bit) { return bit < 64 ? (Mask{1} << bit) - 1 : ~Mask{0}; }

/// Where words of gpt2 begin, among the first `known` bytes. What depends on the byte after them is left out.
inline Mask gpt2_starts(const Block& block, int known) {
  const Mask white = block.blank | block.newline;
  const Mask sign = ~(block.letter | block.number | white);
  const Mask inside = (block.letter & block.letter << 1) | (block.number & block.number << 1) | (sign & sign << 1);
  const Mask of_words = ~white & ~inside & ~(block.space << 1);  // a space before a word belongs to it
  const Mask of_spaces = white & (~(white << 1) | ~(white >> 1));  // the first of a run, and the last before a word
  return (of_words | of_spaces) & below(known - 1);
}

/// Where words of cl100k begin, with digits in threes, or alone; of o200k, with capitals.
template <int digits, bool capitals>
inline Mask cl100k_starts(const Block& block, int known) {
  const Mask white = block.blank | block.newline;
  const Mask sign = ~(block.letter | block.number | white);
  // Newlines after a sign belong to it: adding the first of a run to the run clears the run.
  const Mask taken = block.newline & ~(block.newline + (block.newline & sign << 1));
  const Mask free = white & ~taken;
  Mask starts = free & ~(free << 1);        // the first of a run
  starts |= block.blank & ~(white >> 1);    // a blank before a word
  Mask after = block.blank & (block.newline & free) << 1;  // the blank after the last newline of a run
  for (; after; after &= after - 1) {
    const int bit = std::countr_zero(after);
    const Mask rest = free >> bit;
    const int length = std::countr_one(rest);
    if (!(block.newline >> bit & below(length))) starts |= Mask{1} << bit;
  }
  const Mask signs = sign & ~(sign << 1) & ~(block.space << 1);
  // Letters take one blank or sign before them that begins a word.
  starts |= signs | (block.letter & ~(block.letter << 1) & ~(block.blank << 1) & ~(signs << 1));
  if constexpr (digits == 1) {
    starts |= block.number;
  } else {
    const Mask fourth = block.number & block.number << 1 & block.number << 2 & block.number << 3;
    for (Mask group = block.number & ~(block.number << 1); group; group = group << 3 & fourth) starts |= group;
  }
  if constexpr (capitals) {
    starts |= block.upper & (block.letter & ~block.upper) << 1;
    // A slash after newlines that belong to a sign does too: the scanner's business.
    if (const Mask slashes = block.slash & taken << 1) starts &= below(std::countr_zero(slashes));
  }
  // A run of white at the end of what is known may go on, and only its beginning is certain.
  const int run = std::countl_one(white << (64 - known));
  return starts & below(run ? known - run + 1 : known - 1);
}

struct Gpt2Blocks : Gpt2 {
  static constexpr Case letters = Case::lower;
  static constexpr bool contracts_words = false;  // whether a contraction belongs to the word before it
  static Mask starts(const Block& block, int known) { return gpt2_starts(block, known); }
};

template <int digits>
struct Cl100kBlocks : Cl100k<digits> {
  static constexpr Case letters = Case::any;
  static constexpr bool contracts_words = false;
  static Mask starts(const Block& block, int known) { return cl100k_starts<digits, false>(block, known); }
};

struct O200kBlocks : O200k {
  static constexpr Case letters = Case::any;
  static constexpr bool contracts_words = true;
  static Mask starts(const Block& block, int known) { return cl100k_starts<3, true>(block, known); }
};

/// As `each`.
template <class Pattern, class Emit>
void each_in_blocks(std::string_view text, Emit&& emit) {
  const Pattern scanner{};
  const char* at = text.data();
  const char* end = at + text.size();
  auto until = [&](const char* stop) {
    emit(std::string_view(at, static_cast<std::size_t>(stop - at)));
    at = stop;
  };
  while (end - at >= 64) {
    const char* begin = at;
    const Block block(at);
    const int known = std::countr_zero(block.beyond);
    if (known >= 2) {
      Mask starts = Pattern::starts(block, known);
      const char* contracted = nullptr;
      const Mask candidates = Pattern::contracts_words ? block.quote & block.letter << 1 : block.quote;
      for (Mask quotes = starts & candidates; quotes; quotes &= quotes - 1) {
        const char* quote = begin + std::countr_zero(quotes);
        if (const char* stop = contraction<Pattern::letters>(quote, end); stop > quote) {
          starts &= below(std::countr_zero(quotes) + !Pattern::contracts_words);  // the rest is the next block's matter
          contracted = stop;
          break;
        }
      }
      for (starts &= ~Mask{1}; starts; starts &= starts - 1) until(begin + std::countr_zero(starts));
      if (contracted) {
        until(contracted);
        continue;
      }
    }
    if (known < 64 || at == begin) {
      // Past what stopped the block, and on while characters beyond ASCII follow each other.
      const char* past = begin + (known < 64 ? known + 1 : 0);
      do until(scanner(at, end));
      while (at < past || (end - at >= 2 && ((at[0] | at[1]) & 0x80)));
    }
  }
  while (at < end) until(scanner(at, end));
}

#else

using Gpt2Blocks = Gpt2;
template <int digits>
using Cl100kBlocks = Cl100k<digits>;
using O200kBlocks = O200k;

template <class Pattern, class Emit>
void each_in_blocks(std::string_view text, Emit&& emit) {
  each<Pattern>(text, emit);
}

#endif

}  // namespace idiolect::scan
