// The pieces that the unigram model starts from: substrings of the words that occur at least twice, the weightiest first.
//
// A substring is a candidate where a branch of the suffix tree begins: at least two different bytes follow it in the text
// (else the longer string serves as well). All suffixes are sorted, but only as far as a piece can reach, so a text of one
// letter costs no more than another; neighbours that share a prefix form an interval, which is a substring with its count
// (Abouelhoda, Kurtz and Ohlebusch, "Replacing suffix trees with enhanced suffix arrays", 2004, section 3). The words are
// distinct and weighted by their counts, which gives the same intervals as the whole text at a fraction of its size.
//
// Suffixes are sorted bucket by bucket (by their first two bytes), which is all the memory it takes beside 5 bytes for each
// byte of the words; buckets are shared among threads. The result does not depend on their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace idiolect {

struct UnigramLimits {
  std::size_t max_piece_length = 16;  // characters
  bool split_scripts = true;          // a piece has letters of one script only
  bool split_numbers = true;          // ... of which digits are none
  bool split_digits = false;          // a digit is a piece by itself
};

/// A word with how often it occurs: UTF-8; its first `word` bytes are the word itself, what follows is the character after
/// it in the text (NUL: the end of a sentence), or nothing where that is not known.
struct WeightedWord {
  std::string_view text;
  std::size_t word;
  std::int64_t count;
};

struct Seed {
  std::string_view piece;  // lies in the words' text
  std::uint64_t count;
  float score;  // count times length in characters
};

/// At most `most` seeds of two characters and more, by score, of equal ones the longest in bytes, then by bytes.
std::vector<Seed> unigram_seeds(std::span<const WeightedWord> words, const UnigramLimits& limits, std::size_t most,
                                std::size_t threads);

/// Whether these characters may be a piece (SentencePiece's rules, with the mark in front only).
bool may_be_piece(std::string_view piece, const UnigramLimits& limits);

}  // namespace idiolect
