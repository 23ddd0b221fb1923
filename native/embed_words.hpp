// Words of texts, as word vectors take them: by a named rule, without what stands between, and as ids.
//
//   letters   letters, and apostrophes between them: don't
//   words     letters and digits, and single apostrophes or hyphens between them: fine-tuning, 1990s
//   spaces    whatever stands between spaces
//
// A mark above or below a letter belongs to it. Texts come as their owner wants them: in small letters, the typographic
// apostrophe replaced. Cost: one pass, in threads; a table of 8 bytes for each of two to four times as many places as
// words, and the words' bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unicode.hpp"
#include "utf8.hpp"
#include "words.hpp"

namespace idiolect {

enum class WordRule : std::uint8_t { letters, words, spaces };

/// The rule of this name; throws std::invalid_argument with the known names.
WordRule word_rule_of(std::string_view name);

/// Calls emit(std::string_view word) for each word of `text`, in order.
template <class Emit>
void each_word(WordRule rule, std::string_view text, Emit&& emit) {
  const Classes inside = rule == WordRule::spaces  ? static_cast<Classes>(~kSpace)
                         : rule == WordRule::words ? kLetter | kMark | kNumber
                                                   : kLetter | kMark;
  const char* end = text.data() + text.size();
  /// The bytes of the character at `at` if it is of a word, or 0.
  auto part = [&](const char* at) -> std::size_t {
    if (at == end) return 0;
    const auto byte = static_cast<unsigned char>(*at);
    if (byte < 0x80) return (class_of(byte) & inside) != 0;
    const Character character = decode(at, end);
    const Classes classes = character.code == kInvalid ? kOther : class_of(character.code);
    return (classes & inside) ? character.bytes : 0;
  };
  auto joins = [&](char byte) { return byte == '\'' || (byte == '-' && rule == WordRule::words); };
  for (const char* at = text.data(); at < end;) {
    std::size_t bytes = part(at);
    if (bytes == 0) {
      at += static_cast<unsigned char>(*at) < 0x80 ? 1 : decode(at, end).bytes;
      continue;
    }
    const char* start = at;
    do {
      at += bytes;
      bytes = part(at);
      if (bytes == 0 && at < end && joins(*at) && (bytes = part(at + 1)) > 0) ++at;
    } while (bytes > 0);
    emit(std::string_view(start, static_cast<std::size_t>(at - start)));
  }
}

/// Adds the words of texts to a counter that takes words as they are (Pattern::none).
void count_words(WordCounter& counter, WordRule rule, std::span<const std::string_view> texts);

/// The places in `counted` of the words that occur `least` times or more, the most frequent first; of equally frequent
/// ones, the one met first.
std::vector<std::size_t> frequent(const CountedWords& counted, std::int64_t least);

/// The words that are kept, and their ids: their places in the list.
class WordIds {
 public:
  /// Throws std::invalid_argument for a word that stands there twice.
  explicit WordIds(std::vector<std::string> words);

  /// The id, or kRareWord.
  std::int32_t operator[](std::string_view word) const;

  /// The ids of all words of the texts, and kEndOfText after each text.
  std::vector<std::int32_t> ids(WordRule rule, std::span<const std::string_view> texts, std::size_t threads) const;

 private:
  struct Entry {
    std::uint32_t tag = 0;
    std::int32_t id = -1;  // -1: free
  };
  static std::uint64_t hash_of(std::string_view word);

  std::vector<std::string> words_;
  std::vector<Entry> entries_;
};

}  // namespace idiolect
