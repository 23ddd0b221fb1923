// From counted words to symbols and merges: words as their bytes, or as their characters with the rare ones left out.
//
// Characters are chosen as SentencePiece chooses them (trainer_interface.cc, LoadSentences): the required ones, then the
// most frequent, until the asked share of the text's characters is covered. What is left out merges with nothing.
// Cost: one more pass over the different words, and for characters 8 bytes for each code point there may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bpe_learn.hpp"
#include "words.hpp"

namespace idiolect {

struct LearntTokens {
  std::vector<std::string> alphabet;  // the pieces of the first ids; the merges have the ids after them
  Learnt learnt;
};

/// In which order the characters get their ids.
enum class CharacterOrder : std::uint8_t { code_point, frequency };

struct CharacterOptions {
  double coverage = 1;                // share of the text's characters that must be in the alphabet
  std::string required;               // characters that are in the alphabet whatever their frequency, in UTF-8
  std::string excluded;               // characters that are not, and merge with nothing
  CharacterOrder order = CharacterOrder::code_point;
  bool piece_rules = false;           // whether `rules` hold
  PieceRuleOptions rules;
};

/// Learns from bytes. `alphabet` has each of the 256 bytes once, in the order of their ids. `pieces`: how many there may
/// be, alphabet included (options.most is not read). Throws std::invalid_argument where the alphabet does not fit.
LearntTokens learn_from_bytes(const CountedWords& words, std::string_view alphabet, std::size_t pieces,
                              LearnOptions options);

/// Learns from characters; a byte that is not UTF-8 merges with nothing.
LearntTokens learn_from_characters(const CountedWords& words, const CharacterOptions& characters, std::size_t pieces,
                                   LearnOptions options);

}  // namespace idiolect
