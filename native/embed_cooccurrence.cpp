#include "embed_cooccurrence.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <queue>
#include <stdexcept>

#include "embed_train.hpp"
#include "pages.hpp"
#include "threads.hpp"

namespace idiolect {
namespace {

constexpr double kUnits = 1 << 24;          // of weight
constexpr std::size_t kPiece = 1 << 14;     // words that a thread takes at a time
constexpr std::size_t kFrequent = 1 << 10;  // most words whose pairs have a square of counts
constexpr std::size_t kLeast = 1 << 16;     // bytes of a thread's tables: with less there are fewer threads
constexpr std::size_t kAhead = 32;          // pairs between asking for a place and looking at it

constexpr std::uint64_t kFirst = 0xBF58476D1CE4E5B9u, kSecond = 0x94D049BB133111EBu;  // odd numbers

constexpr std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t found = odd;  // right in 3 bits, and each round in twice as many (Newton)
  for (int round = 0; round < 5; ++round) found *= 2 - odd * found;
  return found;
}

std::uint64_t key_of(std::uint32_t first, std::uint32_t second) {
  std::uint64_t z = (std::uint64_t{first} << 32 | second) * kFirst;
  z = (z ^ z >> 32) * kSecond;
  return z ^ z >> 32;
}

std::pair<std::uint32_t, std::uint32_t> pair_of(std::uint64_t key) {
  std::uint64_t z = (key ^ key >> 32) * inverse(kSecond);
  z = (z ^ z >> 32) * inverse(kFirst);
  return {static_cast<std::uint32_t>(z >> 32), static_cast<std::uint32_t>(z)};
}

[[noreturn]] void refuse(const std::string& path) {
  throw std::runtime_error(path + " cannot be written: " + std::strerror(errno) + ".");
}

}  // namespace

/// The counts of one thread.
class CooccurrenceCounter::Table {
 public:
  Table(CooccurrenceCounter& owner, std::size_t bytes) : owner_(owner) {
    frequent = std::min({kFrequent, owner.words_, static_cast<std::size_t>(std::sqrt(static_cast<double>(bytes) / 32))});
    square.resize(frequent * frequent);
    places_.resize((bytes - square.size() * sizeof(std::uint64_t)) / sizeof(Entry));
  }

  void add(std::uint32_t first, std::uint32_t second, std::uint64_t weight) {
    if (first > second) std::swap(first, second);
    if (second < frequent) {
      square[first * frequent + second] += weight;
      return;
    }
    Entry& waiting = ahead_[next_++ % kAhead];
    const Entry due = waiting;
    waiting = {key_of(first, second), weight};
    __builtin_prefetch(&places_[place_of(waiting.key)], 1);
    if (due.weight) put(due);
  }

  /// Puts what is waiting into its place.
  void settle() {
    for (Entry& waiting : ahead_) {
      if (waiting.weight) put(waiting);
      waiting.weight = 0;
    }
  }

  /// All that is in the places, by key.
  std::span<const Entry> sorted() {
    const auto end = std::remove_if(places_.begin(), places_.end(), [](const Entry& entry) { return !entry.weight; });
    std::sort(places_.begin(), end, [](const Entry& a, const Entry& b) { return a.key < b.key; });
    return {places_.data(), static_cast<std::size_t>(end - places_.begin())};
  }

  std::size_t frequent;
  std::vector<std::uint64_t> square;

 private:
  std::size_t place_of(std::uint64_t key) const {
    return static_cast<std::size_t>((key >> 32) * places_.size() >> 32);
  }

  void put(const Entry& entry) {
    std::size_t place = place_of(entry.key);
    while (places_[place].weight && places_[place].key != entry.key) {
      if (++place == places_.size()) place = 0;
    }
    if (!places_[place].weight) {
      if (held_ >= places_.size() - places_.size() / 4) {
        owner_.write_run(sorted());
        std::fill(places_.begin(), places_.end(), Entry{});
        held_ = 0;
        place = place_of(entry.key);
      }
      ++held_;
      places_[place].key = entry.key;
    }
    places_[place].weight += entry.weight;
  }

  CooccurrenceCounter& owner_;
  idiolect::Table<Entry> places_;
  std::size_t held_ = 0;
  std::array<Entry, kAhead> ahead_{};
  std::size_t next_ = 0;
};

/// The entries of a run, one after the other, from the file by the buffer or from memory.
class CooccurrenceCounter::Reader {
 public:
  explicit Reader(std::span<const Entry> entries) : now_(entries) {}
  Reader(std::FILE* file, Run run, std::size_t buffer) : file_(file), rest_(run), buffer_(buffer) { fill(); }

  bool empty() const { return now_.empty(); }
  const Entry& front() const { return now_.front(); }
  void next() {
    now_ = now_.subspan(1);
    if (now_.empty()) fill();
  }

 private:
  void fill() {
    const std::size_t size = std::min<std::uint64_t>(rest_.size, buffer_.size());
    if (size == 0) return;
    if (fseeko(file_, static_cast<off_t>(rest_.begin * sizeof(Entry)), SEEK_SET) != 0 ||
        std::fread(buffer_.data(), sizeof(Entry), size, file_) != size) {
      throw std::runtime_error("The counts that were written to disk cannot be read back: check it.");
    }
    now_ = {buffer_.data(), size};
    rest_ = {rest_.begin + size, rest_.size - size};
  }

  std::FILE* file_ = nullptr;
  Run rest_{0, 0};
  std::vector<Entry> buffer_;
  std::span<const Entry> now_;
};

CooccurrenceCounter::CooccurrenceCounter(std::size_t words, std::size_t window, std::size_t memory, std::size_t threads,
                                         std::string runs)
    : words_(words), window_(window),
      threads_(std::min(thread_count(threads), std::max<std::size_t>(memory / kLeast, 1))), path_(std::move(runs)) {
  if (words < 1 || words >= 0x7FFFFFFF || window < 1 || window > 1 << 16 || memory < 1 << 20) {
    throw std::invalid_argument("Counting needs words, a window and at least 1 MiB of memory.");
  }
  for (std::size_t n = 0; n < threads_; ++n) tables_.push_back(std::make_unique<Table>(*this, memory / threads_));
}

CooccurrenceCounter::~CooccurrenceCounter() = default;

void CooccurrenceCounter::add(std::span<const std::int32_t> ids) {
  std::vector<std::int32_t> words = std::move(tail_);
  const std::size_t begin = words.size();
  for (std::int32_t id : ids) {
    if (id < kRareWord || (id >= 0 && static_cast<std::size_t>(id) >= words_)) {
      throw std::invalid_argument("There is no word of this number.");
    }
    if (id != kRareWord) words.push_back(id);
  }
  std::vector<std::uint64_t> weights(window_ + 1);
  for (std::size_t d = 1; d <= window_; ++d) weights[d] = std::llround(kUnits / static_cast<double>(d));
  parallel_for((words.size() - begin + kPiece - 1) / kPiece, threads_, [&](std::size_t piece, std::size_t thread) {
    Table& table = *tables_[thread];
    const std::size_t first = begin + piece * kPiece, last = std::min(first + kPiece, words.size());
    for (std::size_t i = first; i < last; ++i) {
      if (words[i] == kEndOfText) continue;
      for (std::size_t d = 1; d <= std::min(window_, i) && words[i - d] != kEndOfText; ++d) {
        table.add(static_cast<std::uint32_t>(words[i - d]), static_cast<std::uint32_t>(words[i]), weights[d]);
      }
    }
    table.settle();
  });
  std::size_t from = words.size();
  while (from > 0 && words.size() - from < window_ && words[from - 1] != kEndOfText) --from;
  tail_.assign(words.begin() + static_cast<std::ptrdiff_t>(from), words.end());
}

void CooccurrenceCounter::write_run(std::span<const Entry> entries) {
  std::lock_guard lock(guard_);
  if (!file_) file_.reset(std::fopen(path_.c_str(), "w+b"));
  if (!file_ || std::fwrite(entries.data(), sizeof(Entry), entries.size(), file_.get()) != entries.size()) refuse(path_);
  runs_.push_back({runs_.empty() ? 0 : runs_.back().begin + runs_.back().size, entries.size()});
}

std::uint64_t CooccurrenceCounter::finish(const std::string& path) {
  const File out(std::fopen(path.c_str(), "wb"));
  if (!out) refuse(path);
  if (file_ && std::fflush(file_.get()) != 0) refuse(path_);
  std::vector<Entry> square;
  const std::size_t frequent = tables_.front()->frequent;
  for (std::size_t first = 0; first < frequent; ++first) {
    for (std::size_t second = first; second < frequent; ++second) {
      Entry sum{key_of(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(second)), 0};
      for (const auto& table : tables_) sum.weight += table->square[first * frequent + second];
      if (sum.weight) square.push_back(sum);
    }
  }
  std::sort(square.begin(), square.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });

  std::vector<Reader> readers;
  readers.emplace_back(square);
  for (const auto& table : tables_) readers.emplace_back(table->sorted());
  const std::size_t buffer = std::clamp<std::size_t>((std::size_t{16} << 20) / sizeof(Entry) / (runs_.size() + 1), 64, 1 << 16);
  for (Run run : runs_) readers.emplace_back(file_.get(), run, buffer);
  auto later = [&](std::size_t a, std::size_t b) { return readers[a].front().key > readers[b].front().key; };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> order(later);
  for (std::size_t n = 0; n < readers.size(); ++n) {
    if (!readers[n].empty()) order.push(n);
  }
  std::uint64_t written = 0;
  while (!order.empty()) {
    Entry sum{readers[order.top()].front().key, 0};
    while (!order.empty() && readers[order.top()].front().key == sum.key) {
      const std::size_t one = order.top();
      order.pop();
      sum.weight += readers[one].front().weight;
      readers[one].next();
      if (!readers[one].empty()) order.push(one);
    }
    const auto [first, second] = pair_of(sum.key);
    const double weight = static_cast<double>(sum.weight) / kUnits;
    // A word that meets itself does so in both directions at once.
    const Cooccurrence pair{first, second, static_cast<float>(first == second ? 2 * weight : weight)};
    if (std::fwrite(&pair, sizeof pair, 1, out.get()) != 1) refuse(path);
    ++written;
  }
  if (std::fflush(out.get()) != 0) refuse(path);
  return written;
}

}  // namespace idiolect
