#include "piece_rules.hpp"

#include "scripts.hpp"
#include "utf8.hpp"

namespace idiolect {
namespace {

constexpr char32_t SPACE_MARK = 0x2581;

bool is_digit(char32_t code) { return (code >= U'0' && code <= U'9') || (code >= 0xFF10 && code <= 0xFF19); }

}  // namespace

void PieceRules::add(const std::string& character) {
  if (!active_) return;
  Ends ends;
  const char32_t code = character.empty() ? 0 : decode(character.data(), character.data() + character.size()).code;
  if (code == SPACE_MARK) {
    ends.spaced = true;
  } else {
    ends.digit = is_digit(code);
    const std::uint8_t script = ends.digit && !options_.by_number ? kAnyScript : script_of(code);
    if (script != kInheritedScript) ends = {script, script, false, false, ends.digit};
  }
  pieces_.push_back(ends);
}

void PieceRules::add(std::uint32_t left, std::uint32_t right) {
  if (!active_) return;
  const Ends& one = pieces_[left];
  const Ends& other = pieces_[right];
  const Ends both{one.only_marks ? other.first : one.first, other.only_marks ? one.last : other.last,
                  one.only_marks && other.only_marks, one.spaced || other.spaced, one.digit || other.digit};
  pieces_.push_back(both);
}

bool PieceRules::allow(std::uint32_t left, std::uint32_t right) const {
  if (!active_) return true;
  const Ends& one = pieces_[left];
  const Ends& other = pieces_[right];
  if (other.spaced) return false;
  if (options_.digits && (one.digit || other.digit)) return false;
  if (!options_.by_script || one.last == kAnyScript || other.only_marks || other.first == kAnyScript) return true;
  return one.last == other.first;
}

}  // namespace idiolect
