// Cutting text into words by a named pattern, without a regex engine: `split`.
//
// The words put together are the text, whatever its bytes, and the cost is linear in it. What the patterns say stands in
// split_scan.hpp, one scanner for each; split_blocks.hpp does the same for ASCII text, 64 bytes at a time. A template, so
// that what is done with each word is compiled into the loop.
#pragma once

#include <cstdint>
#include <string_view>

#include "split_blocks.hpp"
#include "split_scan.hpp"

namespace idiolect {

enum class Pattern : std::uint8_t { gpt2, cl100k, o200k, llama3, qwen2, whitespace, metaspace, none };

/// The pattern of this name; throws std::invalid_argument with the known names.
Pattern pattern_of(std::string_view name);

/// Calls emit(std::string_view word) for each word of `text`, in order; the words put together are the text.
template <class Emit>
void split(Pattern pattern, std::string_view text, Emit&& emit) {
  switch (pattern) {
    case Pattern::gpt2: return scan::each_in_blocks<scan::Gpt2Blocks>(text, emit);
    case Pattern::cl100k:
    case Pattern::llama3: return scan::each_in_blocks<scan::Cl100kBlocks<3>>(text, emit);
    case Pattern::qwen2: return scan::each_in_blocks<scan::Cl100kBlocks<1>>(text, emit);
    case Pattern::o200k: return scan::each_in_blocks<scan::O200kBlocks>(text, emit);
    case Pattern::whitespace: return scan::each<scan::Whitespace>(text, emit);
    case Pattern::metaspace: return scan::each<scan::Metaspace>(text, emit);
    case Pattern::none: return scan::each<scan::None>(text, emit);
  }
}

}  // namespace idiolect
