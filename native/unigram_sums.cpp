#include "unigram_sums.hpp"

#include <algorithm>
#include <limits>
#include <string_view>
#include <tuple>

#include "float_sums.hpp"
#include "threads.hpp"

namespace idiolect {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr float kUnknownPenalty = 10.0f;
constexpr std::size_t kPart = 8192;  // words

const FloatSums kSums;

/// Where an edge is counted: SentencePiece's trainer gives the unknown the number of its first piece.
std::uint32_t counted(std::uint32_t edge) { return edge == kUnknownEdge ? 0 : edge; }

bool begins_character(char byte) { return (byte & 0xC0) != 0x80; }

std::uint32_t characters_of(std::string_view text) {
  return static_cast<std::uint32_t>(std::count_if(text.begin(), text.end(), begins_character));
}

/// The characters that two words have in common at their beginnings.
std::uint32_t shared_beginning(std::string_view one, std::string_view other) {
  std::size_t bytes = 0;
  while (bytes < std::min(one.size(), other.size()) && one[bytes] == other[bytes]) ++bytes;
  const bool cut = bytes < one.size() && !begins_character(one[bytes]);  // within a character
  return characters_of(one.substr(0, bytes)) - cut;
}

/// ... and at their ends.
std::uint32_t shared_ending(std::string_view one, std::string_view other) {
  std::uint32_t characters = 0;
  for (std::size_t i = 1; i <= std::min(one.size(), other.size()) && one[one.size() - i] == other[other.size() - i]; ++i)
    characters += begins_character(one[one.size() - i]);
  return characters;
}

using Words = std::vector<std::pair<std::string, std::int64_t>>;

/// The words by their bytes from the last on: those with the same last byte apart, eight bytes at a time.
std::vector<std::uint32_t> by_endings(const Words& words, std::size_t threads) {
  struct Ending {
    std::uint64_t key;
    std::uint32_t word;
  };
  std::vector<std::vector<Ending>> endings(256);
  for (std::uint32_t i = 0; i < words.size(); ++i) {
    const std::string& text = words[i].first;
    std::uint64_t key = 0;
    for (std::size_t k = 1; k <= std::min<std::size_t>(8, text.size()); ++k)
      key |= std::uint64_t{static_cast<unsigned char>(text[text.size() - k])} << (64 - 8 * k);
    endings[key >> 56].push_back({key, i});
  }
  parallel_for(endings.size(), threads, [&](std::size_t byte, std::size_t) {
    std::sort(endings[byte].begin(), endings[byte].end(), [&words](const Ending& one, const Ending& other) {
      if (one.key != other.key) return one.key < other.key;
      const std::string &left = words[one.word].first, &right = words[other.word].first;
      return std::lexicographical_compare(left.rbegin(), left.rend(), right.rbegin(), right.rend());
    });
  });
  std::vector<std::uint32_t> order;
  order.reserve(words.size());
  for (const auto& some : endings)
    for (const Ending& ending : some) order.push_back(ending.word);
  return order;
}

/// Finds the pieces that end at each place of words, of which each goes on where it differs from the one before: the nodes
/// of the trie that were reached at each place are kept, those that began first in front.
class EndingPieces {
 public:
  void add(const UnigramModel& model, std::string_view text, std::uint32_t shared, Edges& edges) {
    nodes_.resize(ends_[shared]);
    ends_.resize(shared + 1);
    const char *at = text.data(), *const end = text.data() + text.size();
    for (std::uint32_t place = 0; place < shared; ++place) at += character_length(*at);
    while (at < end) {
      const std::size_t first = ends_.size() > 1 ? ends_[ends_.size() - 2] : 0, last = ends_.back();
      const char* const next = at + std::min(character_length(*at), static_cast<std::size_t>(end - at));
      const std::size_t before = edges.edges.size();
      bool single = false;
      for (std::size_t i = first; i <= last; ++i) {
        std::uint32_t node = i < last ? nodes_[i] : Trie::kRoot;
        for (const char* byte = at; byte < next && node != Trie::kNone; ++byte)
          node = model.trie.child(node, static_cast<unsigned char>(*byte));
        if (node == Trie::kNone) continue;
        nodes_.push_back(node);
        if (model.trie.value(node) == Trie::kNone) continue;
        edges.edges.push_back(model.piece_of[model.trie.value(node)]);
        single = i == last;
      }
      if (!single) edges.edges.push_back(kUnknownEdge);
      edges.degrees.push_back(static_cast<std::uint16_t>(edges.edges.size() - before));
      ends_.push_back(nodes_.size());
      at = next;
    }
  }

 private:
  std::vector<std::uint32_t> nodes_;
  std::vector<std::size_t> ends_{0};  // in `nodes_`, of each place
};

/// Pieces of a word by where they begin; only the first `places`.
void add_by_beginnings(const UnigramModel& model, std::string_view text, std::uint32_t places, Edges& edges) {
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); places > 0; at += character_length(*at), --places) {
    const std::size_t before = edges.edges.size();
    edges_from(model.trie, at, end, [&model](std::uint32_t key) { return model.piece_of[key]; },
               [&](std::uint32_t piece, std::uint32_t) { edges.edges.push_back(piece); });
    edges.degrees.push_back(static_cast<std::uint16_t>(edges.edges.size() - before));
  }
}

}  // namespace

void share_words(UnigramModel& model, const Words& words, const std::vector<std::uint32_t>& by_count, std::size_t shards,
                 std::size_t threads) {
  std::vector<std::uint32_t> first_sum(words.size()), length(words.size());
  std::uint32_t sum = 0;
  for (std::size_t shard = 0; shard < shards; ++shard)
    for (std::size_t n = shard; n < by_count.size(); n += shards) {
      const std::uint32_t word = by_count[n];
      length[word] = characters_of(words[word].first);
      first_sum[word] = sum;
      sum += length[word] + 1;
    }
  const std::vector<std::uint32_t> endings = by_endings(words, threads);
  const std::size_t parts = (words.size() + kPart - 1) / kPart;
  model.beginnings.resize(parts);
  model.endings.resize(parts);
  parallel_for(2 * parts, threads, [&](std::size_t n, std::size_t) {
    const std::size_t part = n / 2, first = part * kPart, last = std::min(words.size(), first + kPart);
    SharedWords& shared_words = n % 2 == 0 ? model.beginnings[part] : model.endings[part];
    EndingPieces ending;
    shared_words.words.reserve(last - first);
    for (std::size_t i = first; i < last; ++i) {
      const std::size_t word = n % 2 == 0 ? i : endings[i];
      const std::string& text = words[word].first;
      std::uint32_t shared = 0;
      if (n % 2 == 0) {
        if (i > first) shared = shared_beginning(text, words[i - 1].first);
        ending.add(model, text, shared, shared_words);
      } else {
        if (i > first) shared = shared_ending(text, words[endings[i - 1]].first);
        add_by_beginnings(model, text, length[word] - shared, shared_words);
      }
      shared_words.words.push_back({first_sum[word], length[word], shared});
    }
    shared_words.edges.shrink_to_fit();
    shared_words.degrees.shrink_to_fit();
  });
}

UnigramSums::UnigramSums(UnigramModel& model, std::size_t threads) : model_(model), threads_(threads) {
  std::size_t sums = 0;
  for (const Lattices& lattices : model.shards) {
    first_sum_.push_back(sums);
    sums += lattices.degrees.size() + lattices.size();
  }
  before_.resize(sums);
  after_.resize(sums);
}

void UnigramSums::look_up_pieces() {
  pieces_.resize(model_.size() + 1);
  for (std::size_t i = 0; i < model_.size(); ++i) pieces_[i] = {model_.scores[i], model_.lengths[i]};
  pieces_.back() = {*std::min_element(model_.scores.begin(), model_.scores.end()) - kUnknownPenalty, 1};
}

template <class Part, class Work>
void UnigramSums::each_part(std::vector<Part>& parts, std::vector<std::uint32_t>& now, Work&& work) const {
  parallel_for(parts.size(), threads_, [&](std::size_t part, std::size_t) {
    if (!now.empty()) parts[part].filter(now);
    work(part);
  });
  now.clear();
}

void UnigramSums::forward_sums() {
  each_part(model_.beginnings, model_.beginnings_now, [this](std::size_t part) {
    const SharedWords& words = model_.beginnings[part];
    const std::uint16_t* degree = words.degrees.data();
    const std::uint32_t* edge = words.edges.data();
    std::vector<float> sums(1, 0.0f);
    for (const SharedWords::Word& word : words.words) {
      if (sums.size() <= word.length) sums.resize(word.length + 1);
      for (std::uint32_t at = word.shared + 1; at <= word.length; ++at) {
        auto through = [&](std::uint32_t one) { return piece(one).score + sums[at - piece(one).length]; };
        float sum = through(*edge++);  // of the first, alone; each place has one
        for (std::uint16_t left = *degree++; left > 1; --left) sum = kSums.log_add(sum, through(*edge++));
        sums[at] = sum;
      }
      std::copy_n(sums.data(), word.length + 1, before_.data() + word.first_sum);
    }
  });
}

void UnigramSums::backward_sums() {
  each_part(model_.endings, model_.endings_now, [this](std::size_t part) {
    const SharedWords& words = model_.endings[part];
    const std::uint16_t* degree = words.degrees.data();
    const std::uint32_t* edge = words.edges.data();
    std::vector<float> sums(1, 0.0f);  // by the distance from the word's end
    for (const SharedWords::Word& word : words.words) {
      if (sums.size() <= word.length) sums.resize(word.length + 1);
      const std::uint32_t places = word.length - word.shared;
      for (std::uint32_t at = 0; at < places; ++at) edge += degree[at];
      const std::uint32_t* const next = edge;
      for (std::uint32_t at = places; at-- > 0;) {
        edge -= degree[at];
        auto through = [&](std::uint32_t one) { return piece(one).score + sums[word.length - at - piece(one).length]; };
        float sum = through(edge[0]);
        for (std::uint16_t k = 1; k < degree[at]; ++k) sum = kSums.log_add(sum, through(edge[k]));
        sums[word.length - at] = sum;
      }
      degree += places;
      edge = next;
      std::reverse_copy(sums.data(), sums.data() + word.length + 1, after_.data() + word.first_sum);
    }
  });
}

std::vector<float> UnigramSums::expected_in(std::size_t shard) const {
  const Lattices& lattices = model_.shards[shard];
  std::vector<float> expected(model_.size(), 0.0f);
  const float *before = before_.data() + first_sum_[shard], *after = after_.data() + first_sum_[shard];
  const std::uint16_t* degree = lattices.degrees.data();
  const std::uint32_t* edge = lattices.edges.data();
  for (std::size_t n = 0; n < lattices.size(); ++n) {
    const std::uint32_t characters = lattices.characters(n);
    const auto count = static_cast<float>(lattices.words[n].count);
    const float whole = before[characters];
    for (std::uint32_t at = 0; at < characters; ++at)
      for (std::uint16_t left = *degree++; left > 0; --left, ++edge) {
        const auto [score, length] = piece(*edge);
        float& sum = expected[counted(*edge)];
        sum = kSums.add_exp(sum, count, before[at] + score + after[at + length] - whole);
      }
    before += characters + 1;
    after += characters + 1;
  }
  return expected;
}

std::vector<std::vector<float>> UnigramSums::expected() {
  look_up_pieces();
  forward_sums();
  backward_sums();
  std::vector<std::vector<float>> counts(model_.shards.size());
  each_part(model_.shards, model_.shards_now, [&](std::size_t shard) { counts[shard] = expected_in(shard); });
  return counts;
}

std::vector<float> UnigramSums::total(std::vector<std::vector<float>> counts) {
  for (std::size_t shard = 1; shard < counts.size(); ++shard)
    for (std::size_t piece = 0; piece < counts[0].size(); ++piece) counts[0][piece] += counts[shard][piece];
  return std::move(counts[0]);
}

double UnigramSums::log_likelihood() const {
  double sum = 0.0;
  const float* before = before_.data();
  for (const Lattices& lattices : model_.shards)
    for (std::size_t n = 0; n < lattices.size(); ++n) {
      before += lattices.characters(n);
      sum += static_cast<double>(lattices.words[n].count) * static_cast<double>(*before++);
    }
  return sum;
}

std::vector<std::vector<float>> UnigramSums::on_best_paths() {
  // For each place the best path there. SentencePiece looks for the best way on from each piece anew, and takes the first of
  // those whose scores are equal once the piece's own is added: `rival` is the best of the earlier ones, in case it is.
  struct Best {
    float score, rival;
    std::uint32_t edge;   // the last of the path
    std::size_t arriving;  // the first of the edges that end there
    std::uint16_t degree;
  };
  look_up_pieces();
  std::vector<std::uint32_t> paths(before_.size());  // of each word: how many pieces, and which
  each_part(model_.beginnings, model_.beginnings_now, [&](std::size_t part) {
    const SharedWords& words = model_.beginnings[part];
    const std::uint16_t* degree = words.degrees.data();
    std::size_t edge = 0;
    std::vector<Best> best(1, Best{0.0f, kNone, 0, 0, 0});
    for (const SharedWords::Word& word : words.words) {
      if (best.size() <= word.length) best.resize(word.length + 1);
      for (std::uint32_t at = word.shared + 1; at <= word.length; ++at, ++degree) {
        Best there{kNone, kNone, 0, edge, *degree};
        for (std::uint16_t left = *degree; left > 0; --left, ++edge) {
          const auto [score, length] = piece(words.edges[edge]);
          const float reached = best[at - length].score + score;
          if (!(reached > there.score)) continue;
          there.rival = there.score;
          there.score = reached;
          there.edge = words.edges[edge];
        }
        best[at] = there;
      }
      auto last_before = [&](std::uint32_t at, float next) {  // the last edge of the best path to `at`, when `next` follows
        const Best& there = best[at];
        if (there.rival + next == there.score + next)
          for (std::size_t one = there.arriving; one < there.arriving + there.degree; ++one) {
            const auto [score, length] = piece(words.edges[one]);
            if ((best[at - length].score + score) + next == there.score + next) return words.edges[one];
          }
        return there.edge;
      };
      std::uint32_t* const path = paths.data() + word.first_sum;
      path[0] = 0;
      float next = 0.0f;
      for (std::uint32_t at = word.length; at > 0;) {
        const std::uint32_t last = last_before(at, next);
        path[++path[0]] = counted(last);
        next = piece(last).score;
        at -= piece(last).length;
      }
    }
  });
  std::vector<std::vector<float>> counts(model_.shards.size());
  parallel_for(counts.size(), threads_, [&](std::size_t shard, std::size_t) {
    const Lattices& lattices = model_.shards[shard];
    counts[shard].assign(model_.size(), 0.0f);
    const std::uint32_t* path = paths.data() + first_sum_[shard];
    for (std::size_t n = 0; n < lattices.size(); path += lattices.characters(n++) + 1)
      for (std::uint32_t i = 1; i <= path[0]; ++i) counts[shard][path[i]] += static_cast<float>(lattices.words[n].count);
  });
  return counts;
}

}  // namespace idiolect
