// Rows: many texts end to end in one buffer, as a column of a parquet file lies in memory, looked at without copies.
//
// Text n is data[begins[n], ends[n]). What a corpus must know of each before it is counted or encoded: whether it is UTF-8,
// and the hash by which it is in one split or another. Both are one pass, in threads, at about a GB a second each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace idiolect {

/// The texts of a buffer. Throws std::invalid_argument where one would lie outside it.
std::vector<std::string_view> rows(std::string_view data, std::span<const std::int64_t> begins,
                                   std::span<const std::int64_t> ends);

/// The number of the first text that is not UTF-8, or how many there are.
std::size_t first_invalid(std::span<const std::string_view> texts, std::size_t threads = 0);

/// BLAKE2b of each text, eight bytes long and read as a number from the most significant byte (RFC 7693).
std::vector<std::uint64_t> hashes(std::span<const std::string_view> texts, std::size_t threads = 0);

}  // namespace idiolect
