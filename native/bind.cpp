// The module `idiolect._native`: the one file of the native core that is aware of Python.
//
// Each binding is a few lines without logic of its own: it takes the arguments out of Python, lets go of the global lock
// while the core works, and hands the result back. What the core throws as std::invalid_argument is a ValueError with
// the same sentence. The stub for type checkers is `src/idiolect/_native.pyi`.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string_view.h>

#include <string>
#include <string_view>
#include <vector>

#include "split.hpp"
#include "threads.hpp"
#include "unicode.hpp"
#include "utf8.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace idiolect;

namespace {

std::string_view view(const nb::bytes& text) { return {text.c_str(), text.size()}; }

// unicode, split

nb::bytes character_classes(const nb::bytes& text) {
  std::string classes;
  {
    nb::gil_scoped_release released;
    const char* end = text.c_str() + text.size();
    for (const char* at = text.c_str(); at < end;) {
      const scan::Classed next = scan::classed(at, end);
      classes.push_back(static_cast<char>(next.kind));
      at += next.bytes;
    }
  }
  return nb::bytes(classes.data(), classes.size());
}

nb::list split_words(std::string_view pattern, const nb::bytes& text) {
  std::vector<std::string_view> words;
  {
    nb::gil_scoped_release released;
    split(pattern_of(pattern), view(text), [&](std::string_view word) { words.push_back(word); });
  }
  nb::list list;
  for (std::string_view word : words) list.append(nb::bytes(word.data(), word.size()));
  return list;
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "The native core of idiolect: tokenizers.";

  // threads
  module.def("thread_count", &thread_count, "asked"_a = 0,
             "How many threads the core uses when asked for `asked`; 0: as many as this process may.");

  // unicode, split
  module.def("character_classes", &character_classes, "text"_a,
             "The class of each character of UTF-8 text, one byte for each, as native/unicode.hpp numbers them.");
  module.def("split_words", &split_words, "pattern"_a, "text"_a,
             "The words of UTF-8 text, cut by the pattern of this name; put together they are the text.");
}
