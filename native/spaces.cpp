#include "spaces.hpp"

#include <algorithm>

#include "split.hpp"

namespace idiolect {
namespace {

/// Replaces the names in what was appended since `start`: at each place the longest that fits.
void replace_names(const std::vector<std::string>& names, std::string& out, std::size_t start) {
  bool begins[256] = {};
  for (const std::string& name : names) begins[static_cast<unsigned char>(name.front())] = true;
  std::size_t kept = start;
  for (std::size_t at = start; at < out.size();) {
    std::size_t longest = 0;
    if (begins[static_cast<unsigned char>(out[at])]) {
      for (const std::string& name : names) {
        if (name.size() > longest && out.compare(at, name.size(), name) == 0) longest = name.size();
      }
    }
    out[kept++] = longest > 0 ? '\x1F' : out[at];
    at += std::max<std::size_t>(longest, 1);
  }
  out.resize(kept);
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
