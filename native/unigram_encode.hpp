// Encoding by a unigram model: the best segmentation of a text, with SentencePiece's ids.
//
// The score of a segmentation is the sum of its pieces' log probabilities, and the best one is found by dynamic programming
// from left to right (Viterbi) over a trie, in time linear in the text. SentencePiece adds up in float32 along the whole text,
// so two segmentations of nearly equal score may come out one way early in a text and the other way later. Here the text
// is cut into words where no piece can cross (before each mark), and a word met before is taken from a cache where its
// best segmentation wins by more than all rounding can come to; other words are done in the same floats as SentencePiece's.
//
// Costs: English takes a few nanoseconds a byte where words have been met before, some 50 where not; a thread's cache is
// that of word_cache.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpe_encode.hpp"
#include "ids.hpp"
#include "trie.hpp"
#include "word_cache.hpp"

namespace idiolect {

enum class PieceKind : std::uint8_t { normal, unknown, control, user_defined, byte, unused };

struct UnigramSettings {
  std::vector<std::string> pieces;  // by id, in UTF-8, with ▁ for a space
  std::vector<float> scores;
  std::vector<PieceKind> kinds;         // one of them unknown
  std::vector<std::uint32_t> byte_ids;  // the ids of the bytes 0 to 255, by which the unknown is written; or none
  bool collapse_spaces = false;         // what is done to the text first: runs of spaces become one, those at the ends go
  bool prefix_space = false;            // a space is put before a text that is not empty
  bool mark = false;                    // spaces are ▁
};

class UnigramEncoder {
 public:
  static constexpr float kUnknownPenalty = 10.0f;

  /// std::invalid_argument where the settings do not fit together.
  explicit UnigramEncoder(UnigramSettings settings);

  /// The ids of each text.
  Encoded encode(std::span<const std::string_view> texts, std::size_t threads) const;

  /// The text as pieces match it: spaces collapsed, prefixed and marked as the settings say.
  std::string prepare(std::string_view text) const;

  // For the lattice (unigram_paths.hpp), which reads a prepared text.
  const Trie& trie() const { return trie_; }
  const UnigramSettings& settings() const { return settings_; }
  std::uint32_t id_of_key(std::uint32_t key) const { return ids_[key]; }
  std::uint32_t unknown() const { return unknown_; }
  float unknown_score() const { return unknown_score_; }
  /// `length`: of the piece, in whatever SentencePiece counts there.
  float score(std::uint32_t id, std::size_t length) const {
    return is_user_defined_[id] ? user_defined_score(length) : settings_.scores[id];
  }
  static float user_defined_score(std::size_t length) { return static_cast<float>(0.1 * (static_cast<double>(length) - 1)); }
  /// Appends the ids of a segmentation: bytes for the unknown, or one id for each run of it.
  template <class Out>
  void write(std::uint32_t id, std::string_view piece, bool& unknown_before, Out&& out) const {
    if (id != unknown_) {
      out(id);
    } else if (!settings_.byte_ids.empty()) {
      for (char byte : piece) {
        if (spaces_are_marks_ && byte == ' ')
          for (char of_mark : std::string_view("\xE2\x96\x81")) out(settings_.byte_ids[static_cast<unsigned char>(of_mark)]);
        else
          out(settings_.byte_ids[static_cast<unsigned char>(byte)]);
      }
    } else if (!unknown_before) {
      out(id);
    }
    unknown_before = id == unknown_;
  }

 private:
  struct Position {  // in a text
    float score;
    bool unknown_before;  // the piece before was the unknown
  };
  struct Node {
    float score;
    std::uint32_t start, id;   // where the best last piece begins, and which it is
    double sum, best, second;  // the best path's score in doubles, and which are the two best of all
  };
  struct Workspace {
    WordCache cache;  // of a word: its ids, then as a float how sure they are (`remember`)
    std::vector<Node> nodes;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> path;
    std::string text;
    Ids ids;
  };
  void encode_one(std::string_view text, Workspace& space) const;
  void encode_words(std::string_view text, bool collapse, Workspace& space) const;  // `collapse`: of spaces in a row the last counts
  float write_known(const WordKey& key, std::uint64_t hash, Position& position, Workspace& space) const;
  void encode_word(std::string_view word, const char* readable_to, Position& position, Workspace& space) const;
  template <bool Measure>
  double segment(std::string_view text, Position& position, Workspace& space) const;
  float remember(std::string_view word, double lead, const WordKey& key, std::uint64_t hash, Workspace& space) const;
  static void keep(std::span<const std::uint32_t> ids, float limit, const WordKey& key, std::uint64_t hash, Workspace& space);
  std::unique_ptr<Workspace> take() const;
  void give(std::unique_ptr<Workspace> space) const;

  UnigramSettings settings_;
  std::uint32_t unknown_ = 0;
  float unknown_score_ = 0;
  float most_score_ = 0;  // the largest size of a score of a character's worth
  std::vector<bool> is_user_defined_;
  Trie trie_;
  std::vector<std::uint32_t> ids_;  // by the trie's key
  bool spaces_are_marks_ = false;   // inside, ▁ is one byte, a space
  bool cuts_at_spaces_ = false;     // no piece has a space but in front
  bool cuts_at_signs_ = false;      // no piece has a letter beside a sign
  mutable std::mutex guard_;
  mutable std::vector<std::unique_ptr<Workspace>> spare_;
};

}  // namespace idiolect
