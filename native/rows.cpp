#include "rows.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "threads.hpp"
#include "utf8.hpp"

namespace idiolect {
namespace {

constexpr std::size_t PIECE = 64;  // texts that a thread takes at a time

bool is_utf8(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    for (std::uint64_t eight; end - at >= 8; at += 8) {  // ASCII, eight bytes at a time
      std::memcpy(&eight, at, 8);
      if (eight & 0x8080808080808080u) break;
    }
    if (at == end) break;
    const Character character = decode(at, end);
    if (character.code == kInvalid) return false;
    at += character.bytes;
  }
  return true;
}

using State = std::array<std::uint64_t, 8>;

constexpr State INITIAL = {0x6A09E667F3BCC908u, 0xBB67AE8584CAA73Bu, 0x3C6EF372FE94F82Bu, 0xA54FF53A5F1D36F1u,
                           0x510E527FADE682D1u, 0x9B05688C2B3E6C1Fu, 0x1F83D9ABFB41BD6Bu, 0x5BE0CD19137E2179u};
constexpr std::uint8_t ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

/// One block of 128 bytes (RFC 7693, section 3.2). `so_far`: bytes up to its end.
void compress(State& state, const char* block, std::uint64_t so_far, bool last) {
  std::uint64_t m[16], v[16];
  for (std::size_t i = 0; i < 16; ++i) {
    m[i] = 0;
    for (std::size_t byte = 0; byte < 8; ++byte) {
      m[i] |= std::uint64_t{static_cast<unsigned char>(block[8 * i + byte])} << 8 * byte;
    }
  }
  std::copy(state.begin(), state.end(), v);
  std::copy(INITIAL.begin(), INITIAL.end(), v + 8);
  v[12] ^= so_far;
  if (last) v[14] = ~v[14];
  auto mix = [&v](int a, int b, int c, int d, std::uint64_t x, std::uint64_t y) {
    v[a] += v[b] + x;
    v[d] = std::rotr(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = std::rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 63);
  };
  for (int round = 0; round < 12; ++round) {
    const std::uint8_t* s = ORDER[round % 10];
    mix(0, 4, 8, 12, m[s[0]], m[s[1]]);
    mix(1, 5, 9, 13, m[s[2]], m[s[3]]);
    mix(2, 6, 10, 14, m[s[4]], m[s[5]]);
    mix(3, 7, 11, 15, m[s[6]], m[s[7]]);
    mix(0, 5, 10, 15, m[s[8]], m[s[9]]);
    mix(1, 6, 11, 12, m[s[10]], m[s[11]]);
    mix(2, 7, 8, 13, m[s[12]], m[s[13]]);
    mix(3, 4, 9, 14, m[s[14]], m[s[15]]);
  }
  for (std::size_t i = 0; i < 8; ++i) state[i] ^= v[i] ^ v[i + 8];
}

std::uint64_t hash(std::string_view text) {
  State state = INITIAL;
  state[0] ^= 0x01010000 ^ 8;  // no key, eight bytes of digest
  std::size_t done = 0;
  for (; text.size() - done > 128; done += 128) compress(state, text.data() + done, done + 128, false);
  char last[128] = {};
  std::copy(text.begin() + static_cast<std::ptrdiff_t>(done), text.end(), last);
  compress(state, last, text.size(), true);
  std::uint64_t number = 0;
  for (int byte = 0; byte < 8; ++byte) number = number << 8 | (state[0] >> 8 * byte & 0xFF);
  return number;
}

}  // namespace

std::vector<std::string_view> rows(std::string_view data, std::span<const std::int64_t> begins,
                                   std::span<const std::int64_t> ends) {
  if (begins.size() != ends.size()) throw std::invalid_argument("There are not as many ends of texts as beginnings.");
  std::vector<std::string_view> texts;
  texts.reserve(begins.size());
  for (std::size_t row = 0; row < begins.size(); ++row) {
    if (begins[row] < 0 || ends[row] < begins[row] || static_cast<std::uint64_t>(ends[row]) > data.size()) {
      throw std::invalid_argument("A text lies outside its buffer.");
    }
    texts.push_back(data.substr(static_cast<std::size_t>(begins[row]), static_cast<std::size_t>(ends[row] - begins[row])));
  }
  return texts;
}

std::size_t first_invalid(std::span<const std::string_view> texts, std::size_t threads) {
  std::atomic<std::size_t> first{texts.size()};
  parallel_for((texts.size() + PIECE - 1) / PIECE, threads, [&](std::size_t piece, std::size_t) {
    for (std::size_t row = piece * PIECE; row < std::min(texts.size(), (piece + 1) * PIECE); ++row) {
      if (is_utf8(texts[row])) continue;
      std::size_t known = first;
      while (row < known && !first.compare_exchange_weak(known, row)) {
      }
      return;
    }
  });
  return first;
}

std::vector<std::uint64_t> hashes(std::span<const std::string_view> texts, std::size_t threads) {
  std::vector<std::uint64_t> numbers(texts.size());
  parallel_for((texts.size() + PIECE - 1) / PIECE, threads, [&](std::size_t piece, std::size_t) {
    for (std::size_t row = piece * PIECE; row < std::min(texts.size(), (piece + 1) * PIECE); ++row) {
      numbers[row] = hash(texts[row]);
    }
  });
  return numbers;
}

}  // namespace idiolect
