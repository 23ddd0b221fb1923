#include "bpe_model.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <functional>
#include <stdexcept>

#include "utf8.hpp"

namespace idiolect {

namespace {

constexpr std::size_t kKept = 1 << 16;                   // symbols of room that are kept for the next word

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument(why); }

void check(const BpeSettings& settings) {
  const std::size_t size = settings.pieces.size();
  if (size >= kNoToken) refuse("A vocabulary of " + std::to_string(size) + " tokens is too large.");
  if (settings.special.size() != size) refuse("It is not said of every token whether it is special.");
  if (settings.merged.size() != settings.merges.size()) refuse("It is not said of every merge what it becomes.");
  if (settings.merges.size() >= kNoToken) refuse("There are too many merges.");
  for (std::size_t n = 0; n < settings.merges.size(); ++n) {
    const auto [left, right] = settings.merges[n];
    const std::uint32_t merged = settings.merged[n];
    if (left >= size || right >= size || merged >= size)
      refuse("Merge " + std::to_string(n) + " names an id that is not in the vocabulary.");
    const std::string &one = settings.pieces[left], &other = settings.pieces[right], &both = settings.pieces[merged];
    if (both.size() != one.size() + other.size() || !both.starts_with(one) || !both.ends_with(other))
      refuse("Merge " + std::to_string(n) + " becomes a piece that is not its two parts joined.");
    if (settings.special[merged]) refuse("Merge " + std::to_string(n) + " becomes a special token.");
  }
  if (!settings.characters && (!settings.byte_ids.empty() || settings.unknown != kNoToken))
    refuse("A vocabulary of bytes has neither byte tokens beside it nor an unknown token.");
  if (!settings.byte_ids.empty() && settings.byte_ids.size() != 256) refuse("There must be 256 byte tokens, or none.");
  for (std::uint32_t id : settings.byte_ids)
    if (id >= size) refuse("A byte token is not in the vocabulary.");
  if (settings.unknown != kNoToken && settings.unknown >= size) refuse("The unknown token is not in the vocabulary.");
  if (!settings.unused.empty() && (!settings.characters || settings.unknown == kNoToken))
    refuse("Pieces that are not used are for a vocabulary of characters with an unknown token.");
  for (std::uint32_t id : settings.unused)
    if (id >= size || id == settings.unknown) refuse("A piece that is not used is not in the vocabulary.");
}

bool goes_on_with_a_mark(std::string_view piece) {
  for (std::size_t at = piece.find(kMetaspace, 1); at != piece.npos; at = piece.find(kMetaspace, at + 1))
    if (at < kMetaspace.size() || piece.substr(at - kMetaspace.size(), kMetaspace.size()) != kMetaspace) return true;
  return false;
}

}  // namespace

PairRanks::PairRanks(const BpeSettings& settings) : grid_(kGrid * kGrid) {
  check(settings);
  const std::size_t slots = std::bit_ceil(2 * settings.merges.size() + 2);
  entries_.resize(slots);
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
  merged_ = settings.merged;
  filter_.resize(std::bit_ceil(8 * settings.merges.size() + 64) / 64);
  filter_shift_ = 58 - std::countr_zero(filter_.size());
  std::vector<std::uint32_t> first_rank(settings.rank_by_piece ? settings.pieces.size() : 0, kNone);
  for (std::size_t n = 0; n < settings.merges.size(); ++n) {
    const auto [left, right] = settings.merges[n];
    std::uint32_t rank = static_cast<std::uint32_t>(n);
    if (settings.rank_by_piece) {
      std::uint32_t& first = first_rank[settings.merged[n]];
      rank = first = std::min(first, rank);
    }
    if (find(left, right) != kNone)
      refuse("The merge of ids " + std::to_string(left) + " and " + std::to_string(right) + " stands twice.");
    if ((left | right) < kGrid) {
      grid_[left * kGrid + right] = rank + 1;
    } else {
      const std::uint64_t hashed = hash(left, right), bit = hashed >> filter_shift_;
      filter_[bit >> 6] |= std::uint64_t{1} << (bit & 63);
      std::size_t at = hashed >> shift_;
      while (entries_[at].rank != kNone) at = (at + 1) & mask_;
      entries_[at] = {left, right, rank};
    }
  }
}

PieceIds::PieceIds(std::size_t pieces) : entries_(std::bit_ceil(2 * pieces + 2)) {}

/// Where the piece stands, or the free place where it would.
std::size_t PieceIds::place(std::string_view piece, std::uint32_t tag, std::size_t at,
                            const std::vector<std::string>& pieces) const {
  const std::size_t mask = entries_.size() - 1;
  for (at &= mask; entries_[at].id != kNoToken; at = (at + 1) & mask)
    if (entries_[at].tag == tag && pieces[entries_[at].id] == piece) break;
  return at;
}

void PieceIds::add(std::uint32_t id, const std::vector<std::string>& pieces) {
  const std::size_t hash = std::hash<std::string_view>()(pieces[id]);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  Entry& entry = entries_[place(pieces[id], tag, hash, pieces)];
  if (entry.id == kNoToken) entry = {tag, id};
}

std::uint32_t PieceIds::find(std::string_view piece, const std::vector<std::string>& pieces) const {
  const std::size_t hash = std::hash<std::string_view>()(piece);
  return entries_[place(piece, static_cast<std::uint32_t>(hash >> 32), hash, pieces)].id;
}

void MergeSpace::shrink() {
  if (symbols.capacity() > kKept || heap.capacity() > kKept) *this = {};
}

double Chance::next() {
  std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return static_cast<double>((mixed ^ mixed >> 31) >> 11) * 0x1.0p-53;
}

BpeModel::BpeModel(BpeSettings settings) : settings_(std::move(settings)), ranks_(settings_) {
  const auto& pieces = settings_.pieces;
  std::vector<bool> is_byte(pieces.size());
  for (std::uint32_t id : settings_.byte_ids) is_byte[id] = true;
  byte_symbols_.fill(kNoToken);
  if (settings_.characters) character_ids_.assign(0x10000, kNoToken);
  if (settings_.ignore_merges) whole_ = PieceIds(pieces.size());
  bool crosses = false;
  for (std::uint32_t id = 0; id < pieces.size(); ++id) {
    const std::string& piece = pieces[id];
    if (settings_.special[id] || is_byte[id] || id == settings_.unknown || piece.empty()) continue;
    crosses = crosses || goes_on_with_a_mark(piece);
    if (settings_.ignore_merges) whole_.add(id, pieces);
    if (!settings_.characters) {
      if (piece.size() == 1) {
        std::uint32_t& symbol = byte_symbols_[static_cast<unsigned char>(piece[0])];
        symbol = std::min(symbol, id);
      }
    } else if (const Character first = decode(piece.data(), piece.data() + piece.size());
               first.bytes == piece.size() && first.code != kInvalid) {
      std::uint32_t& symbol = first.code < 0x10000 ? character_ids_[first.code]
                                                   : other_characters_.emplace(first.code, kNoToken).first->second;
      symbol = std::min(symbol, id);
    }
  }
  if (!settings_.characters) {
    for (int byte = 0; byte < 256; ++byte)
      if (byte_symbols_[byte] == kNoToken)
        refuse("The vocabulary lacks byte " + std::to_string(byte) + ": a text that has it could not be written.");
    byte_ranks_.resize(1 << 16);
    for (std::size_t both = 0; both < byte_ranks_.size(); ++both)
      byte_ranks_[both] = ranks_.find(byte_symbols_[both >> 8], byte_symbols_[both & 255]);
  }
  for (std::uint32_t id : settings_.unused) unused_[id];
  for (std::size_t n = settings_.merges.size(); n-- > 0 && !unused_.empty();) {
    const auto [left, right] = settings_.merges[n];
    if (auto found = unused_.find(settings_.merged[n]);
        found != unused_.end() && !pieces[left].empty() && !pieces[right].empty())
      found->second = {left, right};  // shorter than the whole, so taking apart comes to an end
  }
  cuts_before_marks_ =
      settings_.characters && !crosses && unused_.empty() && (character_ids_[0x2581] != kNoToken || !settings_.byte_ids.empty());
}

void BpeModel::encode(std::string_view word, MergeSpace& space, std::vector<std::uint32_t>& out) const {
  if (settings_.ignore_merges) {
    if (const std::uint32_t id = whole_.find(word, settings_.pieces); id != kNoToken) {
      out.push_back(id);
      return;
    }
  }
  start(word, space.symbols);
  std::uint32_t* symbols = space.symbols.data();
  const std::size_t count = space.symbols.size();
  if (count > kShort) {
    merge_long(space, 0, nullptr);
  } else if (count > 1) {
    std::uint32_t ranks[kShort];
    for (std::size_t n = 0; n + 1 < count; ++n)
      ranks[n] = settings_.characters ? ranks_.find(symbols[n], symbols[n + 1])
                                      : byte_ranks_[static_cast<unsigned char>(word[n]) << 8 |
                                                    static_cast<unsigned char>(word[n + 1])];
    space.symbols.resize(merge_short(symbols, ranks, count));
  }
  finish(space.symbols, out);
}

void BpeModel::sample(std::string_view word, double dropout, Chance& chance, MergeSpace& space,
                      std::vector<std::uint32_t>& out) const {
  start(word, space.symbols);
  merge_long(space, dropout, &chance);
  finish(space.symbols, out);
}

void BpeModel::lengths(std::string_view word, const std::uint32_t* ids, std::size_t count,
                       std::vector<std::uint32_t>& out) const {
  std::size_t at = 0;
  for (std::size_t n = 0; n < count; ++n) {
    std::size_t length = settings_.pieces[ids[n]].size();
    if (ids[n] == settings_.unknown) {  // all the characters in a row that are no pieces, or one of them
      length = 0;
      for (std::size_t one = 0; at + length < word.size(); length += one)
        if (character(word, at + length, one) != kNoToken || (length > 0 && !settings_.fuse_unknown)) break;
    }
    out.push_back(static_cast<std::uint32_t>(length));
    at += length;
  }
}

/// The id of the character at this place, kNoToken where it has none, and how many bytes it takes.
std::uint32_t BpeModel::character(std::string_view word, std::size_t at, std::size_t& length) const {
  const Character next = decode(word.data() + at, word.data() + word.size());
  length = next.bytes;
  if (next.code < 0x10000) return character_ids_[next.code];
  auto found = other_characters_.find(next.code);
  return found == other_characters_.end() ? kNoToken : found->second;
}

void BpeModel::start(std::string_view word, std::vector<std::uint32_t>& symbols) const {
  symbols.resize(word.size());
  if (!settings_.characters) {
    for (std::size_t n = 0; n < word.size(); ++n) symbols[n] = byte_symbols_[static_cast<unsigned char>(word[n])];
    return;
  }
  std::size_t count = 0;
  for (std::size_t at = 0, length = 0; at < word.size(); at += length) {
    const std::uint32_t id = character(word, at, length);
    if (id != kNoToken) {
      symbols[count++] = id;
    } else if (!settings_.byte_ids.empty()) {
      for (std::size_t n = 0; n < length; ++n)
        symbols[count++] = settings_.byte_ids[static_cast<unsigned char>(word[at + n])];
    } else if (settings_.unknown != kNoToken) {
      symbols[count++] = kNoToken;
    } else {
      refuse("The text has a character that is not in the vocabulary, '" + std::string(word.substr(at, length)) +
             "', and the vocabulary has neither byte tokens nor an unknown token to write it with.");
    }
  }
  symbols.resize(count);
}

/// Merges in place, given the rank of each two neighbours, and gives how many symbols are left. What remains is kept
/// dense, so that a search is one scan.
std::size_t BpeModel::merge_short(std::uint32_t* symbols, std::uint32_t* ranks, std::size_t count) const {
  while (count > 1) {
    std::size_t place = 0;
    for (std::size_t n = 1; n + 1 < count; ++n)
      if (ranks[n] < ranks[place]) place = n;
    if (ranks[place] == PairRanks::kNone) break;
    symbols[place] = ranks_.merged(ranks[place]);
    --count;
    for (std::size_t n = place + 1; n < count; ++n) {
      symbols[n] = symbols[n + 1];
      ranks[n - 1] = ranks[n];
    }
    if (place > 0) ranks[place - 1] = ranks_.find(symbols[place - 1], symbols[place]);
    if (place + 1 < count) ranks[place] = ranks_.find(symbols[place], symbols[place + 1]);
  }
  return count;
}

/// The same for any number of symbols: a linked list of them, and a heap of rank and place of what can merge.
///
/// An entry of the heap is out of date when the pair at its place has another rank by now; it is passed over then.
void BpeModel::merge_long(MergeSpace& space, double dropout, Chance* chance) const {
  auto& symbols = space.symbols;
  if (symbols.size() >= kNoToken) refuse("A word of more than four thousand million symbols is too long.");
  const auto count = static_cast<std::uint32_t>(symbols.size());
  const std::uint32_t end = kNoToken;
  constexpr std::uint32_t gone = kNoToken - 1;  // an id that no vocabulary has: what was merged into its neighbour
  space.before.resize(count);
  space.after.resize(count);
  space.heap.clear();
  space.aside.clear();
  auto entry = [](std::uint32_t rank, std::uint32_t place) { return std::uint64_t{rank} << 32 | place; };
  auto rank_at = [&](std::uint32_t place) {
    const std::uint32_t next = space.after[place];
    return next == end ? PairRanks::kNone : ranks_.find(symbols[place], symbols[next]);
  };
  auto push = [&](std::uint32_t place) {
    if (const std::uint32_t rank = rank_at(place); rank != PairRanks::kNone) {
      space.heap.push_back(entry(rank, place));
      std::push_heap(space.heap.begin(), space.heap.end(), std::greater<>());
    }
  };
  for (std::uint32_t n = 0; n < count; ++n) {
    space.before[n] = n - 1;  // of the first, `end`
    space.after[n] = n + 1 < count ? n + 1 : end;
  }
  for (std::uint32_t n = 0; n + 1 < count; ++n)
    if (const std::uint32_t rank = rank_at(n); rank != PairRanks::kNone) space.heap.push_back(entry(rank, n));
  std::make_heap(space.heap.begin(), space.heap.end(), std::greater<>());
  while (!space.heap.empty()) {
    const std::uint64_t best = space.heap.front();
    std::pop_heap(space.heap.begin(), space.heap.end(), std::greater<>());
    space.heap.pop_back();
    const auto rank = static_cast<std::uint32_t>(best >> 32), place = static_cast<std::uint32_t>(best);
    if (symbols[place] == gone || rank_at(place) != rank) continue;
    if (chance && chance->next() < dropout) {
      space.aside.push_back(best);
      continue;
    }
    const std::uint32_t second = space.after[place], third = space.after[second];
    symbols[place] = ranks_.merged(rank);
    symbols[second] = gone;
    space.after[place] = third;
    if (third != end) space.before[third] = place;
    if (space.before[place] != end) push(space.before[place]);
    push(place);
    for (const std::uint64_t kept : space.aside) {  // what chance left out may be made at the next step
      space.heap.push_back(kept);
      std::push_heap(space.heap.begin(), space.heap.end(), std::greater<>());
    }
    space.aside.clear();
  }
  std::erase(symbols, gone);
}

/// Appends a symbol that is not used as those that it is made of; kNoToken for a character that is made of nothing.
void BpeModel::take_apart(std::uint32_t symbol, std::vector<std::uint32_t>& out) const {
  std::vector<std::uint32_t> pending{symbol};
  while (!pending.empty()) {
    symbol = pending.back();
    pending.pop_back();
    auto found = unused_.find(symbol);
    if (found == unused_.end()) {
      out.push_back(symbol);
    } else if (found->second.left != kNoToken) {
      pending.push_back(found->second.right);
      pending.push_back(found->second.left);
    } else if (settings_.byte_ids.empty()) {
      out.push_back(kNoToken);
    } else {
      for (const char byte : settings_.pieces[symbol]) out.push_back(settings_.byte_ids[static_cast<unsigned char>(byte)]);
    }
  }
}

/// Symbols to ids: characters in a row that are no pieces become one unknown token, or one each.
void BpeModel::finish(const std::vector<std::uint32_t>& given, std::vector<std::uint32_t>& out) const {
  std::vector<std::uint32_t> used;
  if (!unused_.empty())
    for (const std::uint32_t symbol : given) take_apart(symbol, used);
  const std::vector<std::uint32_t>& symbols = unused_.empty() ? given : used;
  for (std::size_t n = 0; n < symbols.size(); ++n) {
    if (symbols[n] != kNoToken)
      out.push_back(symbols[n]);
    else if (n == 0 || symbols[n - 1] != kNoToken || !settings_.fuse_unknown)
      out.push_back(settings_.unknown);
  }
}

}  // namespace idiolect
