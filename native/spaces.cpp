#include "spaces.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "split.hpp"

namespace idiolect {
namespace {

/// Where the next name begins, from `at` on, and how long the longest is that does; npos where there is none.
std::pair<std::size_t, std::size_t> find_name(const std::vector<std::string>& names, std::string_view text, std::size_t at) {
  std::string starts;  // the bytes that names begin with: mostly "<" alone
  for (const std::string& name : names) {
    if (!name.empty() && starts.find(name[0]) == starts.npos) starts += name[0];
  }
  for (at = text.find_first_of(starts, at); at != text.npos; at = text.find_first_of(starts, at + 1)) {
    std::size_t longest = 0;
    for (const std::string& name : names) {
      if (name.size() > longest && text.compare(at, name.size(), name) == 0) longest = name.size();
    }
    if (longest > 0) return {at, longest};
  }
  return {text.npos, 0};
}

/// Replaces the names in what was appended since `start`: at each place the longest that fits.
void replace_names(const std::vector<std::string>& names, std::string& out, std::size_t start) {
  for (auto [at, size] = find_name(names, out, start); at != out.npos; std::tie(at, size) = find_name(names, out, at + 1)) {
    out.replace(at, size, 1, '\x1F');
  }
}

void treat_line(const Spaces& spaces, std::string_view line, std::string& out) {
  if (spaces.collapse) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    line = line.substr(0, line.find_last_not_of(' ') + 1);
  }
  if (line.empty()) return;
  const std::size_t start = out.size();
  const std::string_view space = spaces.mark ? kMetaspace : " ";
  if (spaces.prefix) out += space;
  while (!line.empty()) {
    const std::size_t next = std::min(line.find(' '), line.size());
    out += line.substr(0, next);
    line.remove_prefix(next);
    if (line.empty()) break;
    out += space;
    line.remove_prefix(spaces.collapse ? line.find_first_not_of(' ') : 1);  // a space does not end the line here
  }
  if (spaces.mark && spaces.collapse) {  // SentencePiece takes a mark that the text itself ends with for a space
    while (out.size() >= start + kMetaspace.size() && out.ends_with(kMetaspace)) out.resize(out.size() - kMetaspace.size());
  }
  if (!spaces.names.empty()) replace_names(spaces.names, out, start);
}

}  // namespace

bool need_care(const Spaces& spaces, std::string_view text) {
  return text.find(kMetaspace) != text.npos ||
         (!spaces.names.empty() && find_name(spaces.names, text, 0).first != text.npos);
}

void treat_spaces(const Spaces& spaces, std::string_view text, std::string& out, std::vector<std::size_t>& ends) {
  while (spaces.lines && text.find('\n') != text.npos) {
    const std::size_t newline = text.find('\n');
    treat_line(spaces, text.substr(0, newline), out);
    ends.push_back(out.size());
    text.remove_prefix(newline + 1);
  }
  treat_line(spaces, text, out);
  ends.push_back(out.size());
}

}  // namespace idiolect
