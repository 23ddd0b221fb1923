#include "bpe_learn.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace idiolect {
namespace {

constexpr std::uint32_t EDGE = 0;
constexpr std::uint32_t INSIDE = UINT32_MAX;
constexpr std::uint32_t LARGE = std::uint32_t{1} << 31;
constexpr std::size_t MOST_SLOTS = UINT32_MAX - 1;
constexpr std::size_t AHEAD = 12;        // places whose slots are fetched before they are needed
constexpr std::int64_t FALL = 24;        // a recount's floor is the highest count divided by this, or lower
constexpr std::size_t FEW_PAIRS = 2048;  // so many pairs are cheap to know whatever their counts

std::uint64_t key_of(std::uint32_t left, std::uint32_t right) { return std::uint64_t{left} << 32 | right; }

std::size_t hash_of(std::uint64_t key) {
  key *= 0x9E3779B97F4A7C15u;
  return key ^ key >> 32;
}

/// How often each pair of neighbours occurs, for a recount: all of them, also the rare.
class Tallies {
 public:
  struct Tally {
    std::uint64_t key;
    std::int64_t count;
    std::uint32_t times;
    std::uint32_t pair;  // for whoever sorts them
  };

  Tallies() : table_(1 << 14) {}

  /// The number of the pair's tally.
  std::uint32_t at(std::uint64_t key) {
    for (std::size_t i = hash_of(key) & (table_.size() - 1);; i = (i + 1) & (table_.size() - 1)) {
      Cell& cell = table_[i];
      if (cell.tally != 0 && cell.key == key) return cell.tally - 1;
      if (cell.tally == 0) {
        tallies.push_back({key, 0, 0, 0});
        cell = {key, static_cast<std::uint32_t>(tallies.size())};
        if (tallies.size() * 2 > table_.size()) grow();
        return static_cast<std::uint32_t>(tallies.size() - 1);
      }
    }
  }

  std::vector<Tally> tallies;  // in the order in which the pairs were met

 private:
  struct Cell {
    std::uint64_t key;
    std::uint32_t tally;  // + 1; 0: free
  };

  void grow() {
    std::vector<Cell> larger(table_.size() * 4);
    for (const Cell& cell : table_) {
      if (cell.tally == 0) continue;
      std::size_t i = hash_of(cell.key) & (larger.size() - 1);
      while (larger[i].tally != 0) i = (i + 1) & (larger.size() - 1);
      larger[i] = cell;
    }
    table_.swap(larger);
  }

  std::vector<Cell> table_;
};

}  // namespace

Tie tie_of(std::string_view name) {
  if (name == "place") return Tie::place;
  if (name == "ids") return Tie::ids;
  if (name == "text") return Tie::text;
  throw std::invalid_argument("There is no tie rule of this name: choose place, ids or text.");
}

BpeLearner::BpeLearner(std::vector<std::string> pieces, LearnOptions options, PieceRules rules)
    : options_(std::move(options)), rules_(std::move(rules)), pieces_(std::move(pieces)) {
  options_.min_frequency = std::max<std::int64_t>(options_.min_frequency, 1);
  if (options_.longest == 0) options_.longest = std::numeric_limits<std::uint32_t>::max();
  for (const std::string& piece : pieces_) rules_.add(piece);
  lengths_.assign(pieces_.size() + 1, 1);
  spans_.assign(pieces_.size() + 1, 1);
  slots_.push_back({EDGE, 0});
}

void BpeLearner::add(std::span<const std::uint32_t> word, std::int64_t count) {
  if (count < 0) throw std::invalid_argument("A word has a negative count.");
  if (word.size() < 2 || count == 0) return;  // nothing to merge
  if (word.size() >= MOST_SLOTS - slots_.size()) {
    throw std::invalid_argument(
        "The different words have more than four billion symbols in all: learn from a part of the text, or count with a "
        "memory cap.");
  }
  std::uint32_t weight = static_cast<std::uint32_t>(count);
  if (count >= std::int64_t{LARGE}) {
    weight = LARGE | static_cast<std::uint32_t>(large_.size());
    large_.push_back(count);
  }
  for (std::uint32_t symbol : word) {
    if (symbol != BREAK && symbol >= pieces_.size()) throw std::invalid_argument("A word has an unknown symbol.");
    slots_.push_back({symbol == BREAK ? EDGE : symbol + 1, weight});
  }
  slots_.push_back({EDGE, 0});
}

Learnt BpeLearner::run() {
  options_.most = std::min(options_.most, slots_.size());  // each merge takes at least one symbol away
  if (pieces_.size() + options_.most >= INSIDE - 1) throw std::invalid_argument("There are more tokens than ids of 32 bits.");
  before_.resize(pieces_.size() + 1 + options_.most);
  after_.resize(pieces_.size() + 1 + options_.most);
  floor_ = std::numeric_limits<std::int64_t>::max();
  auto order = [this](const Entry& a, const Entry& b) { return later(a, b); };
  while (learnt_.merges.size() < options_.most) {
    if (heap_.empty()) {
      if (floor_ <= options_.min_frequency) break;
      recount();
      continue;
    }
    std::pop_heap(heap_.begin(), heap_.end(), order);
    const Entry top = heap_.back();
    heap_.pop_back();
    Pair& pair = pairs_[top.pair];
    if (pair.count < floor_) continue;
    if (pair.count != top.count) {
      push(top.pair, first_tie(pair));
    } else if (options_.tie == Tie::place && top.tie == 0) {
      push(top.pair, first_place(pair) + 1);
    } else {
      merge(top.pair);
    }
  }
  return std::move(learnt_);
}

/// Closes the text up, counts its pairs, and knows those that may come next: at least the commonest.
void BpeLearner::recount() {
  std::size_t kept = 1;  // slots_[0] is an edge
  for (std::size_t place = 1; place < slots_.size();) {
    const Slot slot = slots_[place];
    place += spans_[slot.symbol];
    if (slot.symbol == EDGE && kept > 0 && slots_[kept - 1].symbol == EDGE) continue;
    slots_[kept++] = slot;
    if (slot.symbol == EDGE && kept >= 3 && slots_[kept - 3].symbol == EDGE) kept -= 2;  // one token is no pair
  }
  slots_.resize(kept);
  std::fill(spans_.begin(), spans_.end(), 1);

  Tallies counted;
  std::vector<std::uint32_t> tally_at(slots_.size());  // of the pair that begins at each place
  constexpr std::uint32_t NONE = UINT32_MAX;
  for (std::size_t place = 0; place + 1 < slots_.size(); ++place) {
    const std::uint32_t left = slots_[place].symbol, right = slots_[place + 1].symbol;
    if (left == EDGE || right == EDGE) {
      tally_at[place] = NONE;
      continue;
    }
    const std::uint32_t number = tally_at[place] = counted.at(key_of(left, right));
    counted.tallies[number].count += weight(slots_[place]);
    counted.tallies[number].times += 1;
  }

  std::vector<std::int64_t> counts;
  floor_ = options_.min_frequency;
  for (auto& tally : counted.tallies) {
    const auto left = static_cast<std::uint32_t>(tally.key >> 32), right = static_cast<std::uint32_t>(tally.key);
    tally.pair = NONE;
    if (worth_knowing(left, right, tally.count)) counts.push_back(tally.count);
    else tally.count = -1;
  }
  if (counts.size() > FEW_PAIRS) {
    const std::int64_t highest = *std::max_element(counts.begin(), counts.end());
    std::nth_element(counts.begin(), counts.begin() + FEW_PAIRS, counts.end(), std::greater<>());
    floor_ = std::max(floor_, std::min(highest / FALL, counts[FEW_PAIRS]));
  }

  pairs_.clear();
  std::size_t places = 0;
  for (auto& tally : counted.tallies) {
    if (tally.count < floor_) continue;
    tally.pair = static_cast<std::uint32_t>(pairs_.size());
    pairs_.push_back({static_cast<std::uint32_t>(tally.key >> 32), static_cast<std::uint32_t>(tally.key), tally.count,
                      places, places});
    places += tally.times;
  }
  places_.resize(places);
  for (std::size_t place = 0; place + 1 < slots_.size(); ++place) {
    if (tally_at[place] == NONE) continue;
    const std::uint32_t pair = counted.tallies[tally_at[place]].pair;
    if (pair != NONE) places_[pairs_[pair].end++] = static_cast<std::uint32_t>(place);
  }
  pair_index_.assign(1 << 12, 0);
  for (std::uint32_t pair = 0; pair < pairs_.size(); ++pair) {
    index(pair);
    push(pair, first_tie(pairs_[pair]));
  }
}

/// Puts a new token in place of the pair wherever it stands, and follows the counts of the pairs around it.
void BpeLearner::merge(std::uint32_t number) {
  const Pair pair = pairs_[number];
  const std::uint32_t left = pair.left, right = pair.right;
  const std::uint32_t token = static_cast<std::uint32_t>(lengths_.size());
  learnt_.merges.emplace_back(left - 1, right - 1);
  learnt_.counts.push_back(pair.count);
  pieces_.push_back(pieces_[left - 1] + pieces_[right - 1]);
  rules_.add(left - 1, right - 1);
  lengths_.push_back(lengths_[left] + lengths_[right]);
  spans_.push_back(spans_[left] + spans_[right]);
  const std::uint32_t left_span = spans_[left], span = spans_[token];

  auto meet = [](std::vector<Beside>& besides, std::vector<std::uint32_t>& met, std::uint32_t symbol) -> Beside& {
    Beside& beside = besides[symbol];
    if (beside.times++ == 0) met.push_back(symbol);
    return beside;
  };
  for (std::size_t i = pair.begin; i < pair.end; ++i) {
    if (i + AHEAD < pair.end) __builtin_prefetch(&slots_[places_[i + AHEAD]], 1);
    const std::uint32_t place = places_[i];
    if (!is_at(pair, place)) continue;
    Slot* first = &slots_[place];
    Slot* last = first + span - 1;
    first[left_span - 1].symbol = INSIDE;
    first[left_span].symbol = INSIDE;
    first->symbol = last->symbol = token;
    const std::uint32_t before = first[-1].symbol, after = last[1].symbol;
    const std::int64_t times = weight(*first);
    Beside& on_left = meet(before_, met_before_, before);
    on_left.born += times;
    if (before == token) {  // the one just made: what stood between the two is gone, and was no pair of `token` and left
      after_[left].born -= times;
    } else {
      on_left.lost += times;
    }
    Beside& on_right = meet(after_, met_after_, after);
    on_right.lost += times;
    on_right.born += times;
    applied_.push_back({place, before, after});
  }

  const std::size_t known = pairs_.size();
  for (std::uint32_t symbol : met_before_) {
    if (symbol == EDGE) continue;
    if (std::uint32_t* old = find(symbol, left)) pairs_[*old - 1].count -= before_[symbol].lost;
    bear(symbol, token, before_[symbol]);
  }
  for (std::uint32_t symbol : met_after_) {
    if (symbol == EDGE) continue;
    if (std::uint32_t* old = find(right, symbol)) pairs_[*old - 1].count -= after_[symbol].lost;
    bear(token, symbol, after_[symbol]);
  }
  pairs_[number].count = 0;
  if (pairs_.size() > known) {
    for (const Applied& applied : applied_) {
      if (const std::uint32_t born = before_[applied.before].pair) {
        places_[pairs_[born - 1].end++] = applied.place - spans_[applied.before];
      }
      if (const std::uint32_t born = after_[applied.after].pair) places_[pairs_[born - 1].end++] = applied.place;
    }
    for (std::size_t pair = known; pair < pairs_.size(); ++pair) {
      push(static_cast<std::uint32_t>(pair), first_tie(pairs_[pair]));
    }
  }
  for (std::uint32_t symbol : met_before_) before_[symbol] = {};
  for (std::uint32_t symbol : met_after_) after_[symbol] = {};
  met_before_.clear();
  met_after_.clear();
  applied_.clear();
}

/// Knows a new pair if it may be merged while this floor holds, and makes room for its places.
void BpeLearner::bear(std::uint32_t left, std::uint32_t right, Beside& beside) {
  if (!worth_knowing(left, right, beside.born)) return;
  pairs_.push_back({left, right, beside.born, places_.size(), places_.size()});
  places_.resize(places_.size() + beside.times);
  beside.pair = static_cast<std::uint32_t>(pairs_.size());
  index(beside.pair - 1);
}

bool BpeLearner::worth_knowing(std::uint32_t left, std::uint32_t right, std::int64_t count) const {
  if (count < floor_ || std::size_t{lengths_[left]} + lengths_[right] > options_.longest) return false;
  const std::string& first = pieces_[left - 1];
  const std::string& second = pieces_[right - 1];
  for (const std::string& barred : options_.barred) {
    if (barred.size() == first.size() + second.size() && barred.starts_with(first) && barred.ends_with(second)) return false;
  }
  return rules_.allow(left - 1, right - 1);
}

void BpeLearner::push(std::uint32_t pair, std::uint64_t tie) {
  if (pairs_[pair].count < floor_) return;
  heap_.push_back({pairs_[pair].count, tie, pair});
  std::push_heap(heap_.begin(), heap_.end(), [this](const Entry& a, const Entry& b) { return later(a, b); });
}

/// What orders pairs of one count. A place is looked up only when the pair comes to the top: 0 until then, before all.
std::uint64_t BpeLearner::first_tie(const Pair& pair) const {
  switch (options_.tie) {
    case Tie::place:
      return 0;
    case Tie::ids:
      return key_of(pair.left, pair.right);
    case Tie::text:
      break;
  }
  std::uint64_t tie = std::min<std::uint64_t>(lengths_[pair.left] + std::uint64_t{lengths_[pair.right]}, 0xFFFF);
  const std::string& left = pieces_[pair.left - 1];
  const std::string& right = pieces_[pair.right - 1];
  for (std::size_t i = 0; i < 6; ++i) {  // as many bytes as fit; `later` compares the rest
    const std::size_t j = i - left.size();
    const char byte = i < left.size() ? left[i] : j < right.size() ? right[j] : '\0';
    tie = tie << 8 | static_cast<unsigned char>(byte);
  }
  return tie;
}

/// The first place where the pair stands; it does not change as long as the count does not.
std::uint64_t BpeLearner::first_place(Pair& pair) const {
  while (!is_at(pair, places_[pair.begin])) ++pair.begin;
  return places_[pair.begin];
}

bool BpeLearner::later(const Entry& a, const Entry& b) const {
  if (a.count != b.count) return a.count < b.count;
  if (a.tie != b.tie) return a.tie > b.tie;
  if (options_.tie == Tie::text) {
    const Pair &one = pairs_[a.pair], &other = pairs_[b.pair];
    const std::size_t length = std::size_t{lengths_[one.left]} + lengths_[one.right];
    const std::size_t others = std::size_t{lengths_[other.left]} + lengths_[other.right];
    if (length != others) return length > others;
    const int order = (pieces_[one.left - 1] + pieces_[one.right - 1])
                          .compare(pieces_[other.left - 1] + pieces_[other.right - 1]);
    if (order != 0) return order > 0;
  }
  return a.pair > b.pair;
}

bool BpeLearner::is_at(const Pair& pair, std::uint32_t place) const {
  return slots_[place].symbol == pair.left && slots_[place + spans_[pair.left]].symbol == pair.right;
}

std::int64_t BpeLearner::weight(Slot slot) const {
  return slot.weight < LARGE ? std::int64_t{slot.weight} : large_[slot.weight - LARGE];
}

std::uint32_t* BpeLearner::find(std::uint32_t left, std::uint32_t right) {
  for (std::size_t i = hash_of(key_of(left, right));; ++i) {
    std::uint32_t& cell = pair_index_[i & (pair_index_.size() - 1)];
    if (cell == 0) return nullptr;
    if (pairs_[cell - 1].left == left && pairs_[cell - 1].right == right) return &cell;
  }
}

/// Lets `find` find a pair that it does not know yet.
void BpeLearner::index(std::uint32_t pair) {
  auto put = [this](std::uint32_t pair) {
    std::size_t i = hash_of(key_of(pairs_[pair].left, pairs_[pair].right));
    while (pair_index_[i & (pair_index_.size() - 1)] != 0) ++i;
    pair_index_[i & (pair_index_.size() - 1)] = pair + 1;
  };
  if (pairs_.size() * 2 > pair_index_.size()) {
    std::vector<std::uint32_t>(pair_index_.size() * 4).swap(pair_index_);
    for (std::uint32_t known = 0; known < pair; ++known) put(known);
  }
  put(pair);
}

}  // namespace idiolect
