#include "text_cuts.hpp"

#include <cstdint>
#include <cstring>

#include "unicode.hpp"
#include "utf8.hpp"

namespace idiolect {

namespace {

bool ends_with_letter(std::string_view text) {
  std::size_t start = text.size();
  while (start > 0 && text.size() - start < 4)
    if ((static_cast<unsigned char>(text[--start]) & 0xC0) != 0x80) break;
  if (start == text.size()) return false;
  const Character last = decode(text.data() + start, text.data() + text.size());
  return last.code != kInvalid && start + last.bytes == text.size() && (class_of(last.code) & kLetter);
}

}  // namespace

std::size_t next_mark(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find(kMetaspace, from); at != text.npos; at = text.find(kMetaspace, at + 1))
    if (!text.substr(0, at).ends_with(kMetaspace)) return at;
  return text.size();
}

std::size_t next_cut(Pattern pattern, bool marks, std::string_view text, std::size_t from) {
  if (from >= text.size()) return text.size();
  if (pattern == Pattern::metaspace) {
    const std::size_t at = text.find(kMetaspace, from);
    return at == text.npos ? text.size() : at;
  }
  if (pattern == Pattern::none) return marks ? next_mark(text, from) : text.size();
  constexpr std::string_view stop = "\xe3\x80\x82", comma = "\xef\xbc\x8c";  // 。，
  for (std::size_t at = from; at < text.size(); ++at) {
    const char byte = text[at];
    const bool here = byte == ' ' || byte == '\n' || (byte == stop[0] && text.substr(at).starts_with(stop)) ||
                      (byte == comma[0] && text.substr(at).starts_with(comma));
    if (here && ends_with_letter(text.substr(0, at))) return at;
  }
  return text.size();
}

std::size_t first_fault(std::string_view text) {
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    std::uint64_t eight;
    if (end - at >= 8 && (std::memcpy(&eight, at, 8), !(eight & 0x8080808080808080))) {
      at += 8;
      continue;
    }
    const Character next = decode(at, end);
    if (next.code == kInvalid) return static_cast<std::size_t>(at - text.data());
    at += next.bytes;
  }
  return text.npos;
}

}  // namespace idiolect
