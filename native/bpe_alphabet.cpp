#include "bpe_alphabet.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "utf8.hpp"

namespace idiolect {
namespace {

constexpr std::size_t CODE_POINTS = 0x110000;

std::size_t merges_left(std::size_t pieces, std::size_t alphabet) {
  if (alphabet > pieces) {
    throw std::invalid_argument("The alphabet of the text has " + std::to_string(alphabet) + " characters, but there is room for " +
                                std::to_string(pieces) + " pieces: ask for a larger vocabulary or a lower coverage.");
  }
  return pieces - alphabet;
}

template <class Visit>
void each_character(std::string_view text, Visit&& visit) {
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    const Character character = decode(at, end);
    visit(character.code);
    at += character.bytes;
  }
}

/// The characters of the alphabet, in the order of their ids.
std::vector<char32_t> choose(const CountedWords& words, const CharacterOptions& options) {
  std::vector<std::int64_t> counts(CODE_POINTS);
  std::vector<char> required(CODE_POINTS), excluded(CODE_POINTS);
  each_character(options.required, [&](char32_t code) { if (code != kInvalid) required[code] = 1; });
  each_character(options.excluded, [&](char32_t code) { if (code != kInvalid) excluded[code] = 1; });
  std::int64_t all = 0;
  for (std::size_t number = 0; number < words.size(); ++number) {
    each_character(words[number], [&](char32_t code) {
      if (code == kInvalid || (code == 0 && options.piece_rules) || __builtin_add_overflow(all, words.counts[number], &all)) return;
      counts[code] += words.counts[number];
    });
  }
  std::vector<char32_t> met;
  for (char32_t code = 0; code < CODE_POINTS; ++code) {
    if (counts[code] > 0 || required[code]) met.push_back(code);
  }
  std::stable_sort(met.begin(), met.end(), [&](char32_t one, char32_t other) {
    return std::pair(required[one], counts[one]) > std::pair(required[other], counts[other]);
  });
  std::vector<char32_t> chosen;
  std::int64_t covered = 0;
  for (char32_t code : met) {
    const double share = all > 0 ? 1.0 * covered / all : 0;
    const bool enough = options.piece_rules  // SentencePiece compares in single precision, where almost all is all
                            ? static_cast<float>(share) >= static_cast<float>(options.coverage)
                            : share >= options.coverage;
    if (enough && all > 0) break;
    covered += counts[code];
    if (!excluded[code]) chosen.push_back(code);
  }
  std::stable_sort(chosen.begin(), chosen.end(), [&](char32_t one, char32_t other) {
    if (options.order == CharacterOrder::frequency && counts[one] != counts[other]) return counts[one] > counts[other];
    return one < other;
  });
  return chosen;
}

}  // namespace

LearntTokens learn_from_bytes(const CountedWords& words, std::string_view alphabet, std::size_t pieces,
                              LearnOptions options) {
  std::vector<std::uint32_t> id_of_byte(256, BpeLearner::BREAK);
  for (std::size_t id = 0; id < alphabet.size(); ++id) {
    id_of_byte[static_cast<unsigned char>(alphabet[id])] = static_cast<std::uint32_t>(id);
  }
  if (alphabet.size() != 256 || std::ranges::count(id_of_byte, BpeLearner::BREAK) > 0) {
    throw std::invalid_argument("The alphabet of bytes must have each of the 256 bytes once.");
  }
  LearntTokens tokens;
  for (char byte : alphabet) tokens.alphabet.emplace_back(1, byte);
  options.most = merges_left(pieces, tokens.alphabet.size());
  BpeLearner learner(tokens.alphabet, std::move(options));
  std::vector<std::uint32_t> word;
  for (std::size_t number = 0; number < words.size(); ++number) {
    word.clear();
    for (unsigned char byte : words[number]) word.push_back(id_of_byte[byte]);
    learner.add(word, words.counts[number]);
  }
  tokens.learnt = learner.run();
  return tokens;
}

LearntTokens learn_from_characters(const CountedWords& words, const CharacterOptions& characters, std::size_t pieces,
                                   LearnOptions options) {
  const std::vector<char32_t> chosen = choose(words, characters);
  LearntTokens tokens;
  std::vector<std::uint32_t> id_of(CODE_POINTS, BpeLearner::BREAK);
  for (char32_t code : chosen) {
    id_of[code] = static_cast<std::uint32_t>(tokens.alphabet.size());
    tokens.alphabet.push_back(utf8_of(code));
  }
  options.most = merges_left(pieces, tokens.alphabet.size());
  BpeLearner learner(tokens.alphabet, std::move(options), characters.piece_rules ? PieceRules(characters.rules) : PieceRules());
  std::vector<std::uint32_t> word;
  for (std::size_t number = 0; number < words.size(); ++number) {
    word.clear();
    each_character(words[number], [&](char32_t code) { word.push_back(code == kInvalid ? BpeLearner::BREAK : id_of[code]); });
    learner.add(word, words.counts[number]);
  }
  tokens.learnt = learner.run();
  return tokens;
}

}  // namespace idiolect
