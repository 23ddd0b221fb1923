#include "normalize.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "split_scan.hpp"
#include "utf8.hpp"

namespace idiolect {

namespace {

constexpr std::size_t kMostSteps = 1 << 20;  // from character to character in all rules: SentencePiece's have some 30,000

[[noreturn]] void damaged(const std::string& how) {
  throw std::invalid_argument("SentencePiece's rule table is damaged: " + how + ". Take it from its model file again.");
}

std::size_t length_by_first(unsigned char byte) { return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4; }

std::uint32_t little_endian(const char* at) {
  std::uint32_t value = 0;
  for (int n = 3; n >= 0; --n) value = value << 8 | static_cast<unsigned char>(at[n]);
  return value;
}

}  // namespace

RuleTable::RuleTable(std::string_view table) {
  for (int byte = 0; byte < 128; ++byte) plain_[byte] = true;
  if (table.empty()) return;
  const std::size_t size = table.size() < 4 ? 0 : little_endian(table.data());
  if (size == 0 || size % 1024 || size + 4 >= table.size() || table.back() != '\0')
    damaged("it has " + std::to_string(table.size()) + " bytes, and says that " + std::to_string(size) +
            " of them are its index");
  units_.resize(size / 4);
  for (std::size_t n = 0; n < units_.size(); ++n) units_[n] = little_endian(table.data() + 4 + 4 * n);
  outputs_ = table.substr(4 + size);
  check();
}

std::uint32_t RuleTable::base(std::uint32_t node) const {
  const std::uint32_t unit = units_[node];
  const std::uint32_t base = node ^ (unit >> 10) << ((unit & 1 << 9) >> 6);
  if (base >= units_.size()) damaged("unit " + std::to_string(node) + " points outside the index");
  return base;  // so are its children inside: the units come in blocks of 256
}

std::string_view RuleTable::output(std::uint32_t node) const {
  const std::uint32_t place = units_[base(node)] & 0x7FFFFFFF;
  if (place >= outputs_.size())
    damaged("an output would stand at byte " + std::to_string(place) + " of " + std::to_string(outputs_.size()));
  return outputs_.c_str() + place;  // up to the next NUL, and the last byte is one
}

RuleTable::Match RuleTable::longest(const char* at, const char* end) const {
  Match match;
  if (units_.empty()) return match;
  std::uint32_t node = 0;
  for (const char* next = at; next < end; ++next) {
    const unsigned char byte = static_cast<unsigned char>(*next);
    const std::uint32_t child = base(node) ^ byte;
    if (!leads(child, byte)) break;
    node = child;
    if (ends_rule(node)) match = {static_cast<std::size_t>(next + 1 - at), output(node)};
  }
  return match;
}

/// Calls visit(Character, node) for each character by which rules go on after a node.
template <class Visit>
void RuleTable::characters_after(std::uint32_t start, Visit&& visit) const {
  struct Step {
    std::uint32_t node;
    char read[4];
    std::size_t count;
  };
  std::vector<Step> pending{{start, {}, 0}};
  while (!pending.empty()) {
    const Step step = pending.back();
    pending.pop_back();
    const std::uint32_t first = base(step.node);
    for (unsigned byte = 0; byte < 256; ++byte) {
      const std::uint32_t child = first ^ byte;
      if (!leads(child, static_cast<unsigned char>(byte))) continue;
      Step next{child, {}, step.count + 1};
      std::memcpy(next.read, step.read, 4);
      next.read[step.count] = static_cast<char>(byte);
      if (next.count < length_by_first(static_cast<unsigned char>(next.read[0]))) {
        if (ends_rule(child)) damaged("a rule ends within a character");
        pending.push_back(next);
        continue;
      }
      const Character character = decode(next.read, next.read + next.count);
      if (character.code == kInvalid) damaged("a rule is not UTF-8");
      visit(character, child);
    }
  }
}

/// Visits every node once and looks at all it points to.
void RuleTable::check() {
  std::vector<bool> visited(units_.size());
  std::vector<std::uint32_t> pending;
  auto visit = [&](std::uint32_t node) {
    if (ends_rule(node)) {
      const std::string_view text = output(node);
      for (const char* at = text.data(); at < text.data() + text.size();) {
        const Character character = decode(at, text.data() + text.size());
        if (character.code == kInvalid) damaged("an output is not UTF-8");
        at += character.bytes;
      }
    }
    if (!visited[node]) pending.push_back(node);
    visited[node] = true;
  };
  visited[0] = true;
  characters_after(0, [&](Character character, std::uint32_t node) {
    visit(node);
    if (character.code < 128 && ends_rule(node)) plain_[character.code] = false;
  });
  std::size_t steps = 0;
  bool ascii_later = false;
  while (!pending.empty()) {
    const std::uint32_t node = pending.back();
    pending.pop_back();
    characters_after(node, [&](Character character, std::uint32_t child) {
      if (++steps > kMostSteps) damaged("its rules have no end");
      ascii_later |= character.code < 128;
      visit(child);
    });
  }
  if (ascii_later) plain_.fill(false);
}

Normalizer::Normalizer(std::string_view table, Spaces spaces, const std::vector<std::string>& kept)
    : rules_(table), spaces_(spaces) {
  for (int byte = 0; byte < 256; ++byte) plain_[byte] = rules_.plain(static_cast<unsigned char>(byte));
  for (const std::string& string : kept) {
    if (string.empty()) continue;
    const auto first = static_cast<unsigned char>(string[0]);
    kept_[first].push_back(string);
    plain_[first] = false;
  }
  for (auto& strings : kept_)
    std::stable_sort(strings.begin(), strings.end(), [](auto& one, auto& other) { return one.size() > other.size(); });
}

/// How many bytes of the text's beginning are the longest of the kept strings.
std::size_t Normalizer::kept(std::string_view text) const {
  for (const std::string& string : kept_[static_cast<unsigned char>(text[0])])
    if (text.starts_with(string)) return string.size();
  return 0;
}

void Normalizer::append(std::string_view text, std::string& out) const {
  const std::size_t begin = out.size();
  if (text.empty()) return;
  const std::string_view space = spaces_.mark ? kMetaspace : " ";
  bool drops_spaces = spaces_.collapse;  // at the beginning, and after a space
  if (spaces_.prefix && !spaces_.suffix) out += space;
  const std::size_t prefix_end = out.size();
  bool only_spaces = true;
  auto put = [&](std::string_view piece) {  // what one character or one rule gives
    only_spaces = only_spaces && piece == " ";
    if (drops_spaces) piece.remove_prefix(std::min(piece.find_first_not_of(' '), piece.size()));
    if (piece.empty()) return;
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t next = std::min(piece.find(' ', at), piece.size());
      out.append(piece, at, next - at);
      if (next < piece.size()) out += space;
      at = next + 1;
    }
    drops_spaces = spaces_.collapse && piece.back() == ' ';
  };
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const char* stop = at;  // a run of plain characters; the last may combine with what follows where that is no ASCII
    while (stop < end && *stop != ' ' && plain_[static_cast<unsigned char>(*stop)]) ++stop;
    if (stop < end && static_cast<unsigned char>(*stop) >= 128 && stop > at) --stop;
    if (stop > at) {
      out.append(at, stop);
      at = stop;
      drops_spaces = only_spaces = false;
      continue;
    }
    if (*at == ' ' && plain_[' '] && (end - at == 1 || static_cast<unsigned char>(at[1]) < 128)) {
      if (!drops_spaces) out += space;
      drops_spaces = spaces_.collapse;
      ++at;
      continue;
    }
    if (const std::size_t bytes = kept({at, end})) {
      put({at, bytes});
      at += bytes;
      continue;
    }
    if (const RuleTable::Match match = rules_.longest(at, end); match.bytes) {
      put(match.output);
      at += match.bytes;
      continue;
    }
    const Character character = decode(at, end);
    put(character.code == kInvalid ? "\xEF\xBF\xBD" : std::string_view(at, character.bytes));
    at += character.bytes;
  }
  if (spaces_.collapse)
    while (out.size() > begin && std::string_view(out).substr(begin).ends_with(space)) out.erase(out.size() - space.size());
  if (spaces_.prefix && spaces_.suffix && !(spaces_.collapse && only_spaces)) out += space;
  if (spaces_.prefix && spaces_.prefix_once && out.size() > prefix_end &&
      std::string_view(out).substr(prefix_end).starts_with(space))
    out.erase(begin, prefix_end - begin);
}

}  // namespace idiolect
