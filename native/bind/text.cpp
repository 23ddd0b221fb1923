// Threads, characters and words; ids as lists and as bytes; what is done to a text before it is cut.
#include "python.hpp"

#include <algorithm>

#include "../normalize.hpp"
#include "../split.hpp"
#include "../threads.hpp"
#include "../token_bytes.hpp"
#include "../unicode.hpp"
#include "../utf8.hpp"

namespace idiolect {
namespace {

using namespace nb::literals;

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

/// Fills lists, as long as their texts have ids, in threads. Whoever calls keeps Python's lock for all of them: nobody else
/// can see the lists or the ints meanwhile. How often each int is held is counted apart and added at the end.
void fill_lists(const nb::list& lists, const std::uint32_t* ids, const std::int64_t* starts, const nb::list& numbers,
                std::size_t threads) {
  constexpr std::size_t kTexts = 64;  // that are one piece of work
  struct Held {
    const nb::list& numbers;
    std::vector<std::vector<std::uint32_t>> counts;  // by thread, then by id
    ~Held() {
      for (std::size_t id = 0; id < numbers.size(); ++id) {
        Py_ssize_t more = 0;
        for (const auto& by_thread : counts) more += by_thread[id];
        PyObject* const number = PyList_GET_ITEM(numbers.ptr(), id);
        if (more) Py_SET_REFCNT(number, Py_REFCNT(number) + more);
      }
    }
  } held{numbers, {threads, std::vector<std::uint32_t>(numbers.size())}};
  const std::size_t texts = lists.size();
  parallel_for((texts + kTexts - 1) / kTexts, threads, [&](std::size_t piece, std::size_t thread) {
    std::uint32_t* const counts = held.counts[thread].data();
    for (std::size_t text = piece * kTexts; text < std::min(texts, (piece + 1) * kTexts); ++text) {
      PyObject* const list = PyList_GET_ITEM(lists.ptr(), text);
      const std::uint32_t* const own = ids + starts[text];
      for (Py_ssize_t n = 0, size = PyList_GET_SIZE(list); n < size; ++n) {
        PyList_SET_ITEM(list, n, PyList_GET_ITEM(numbers.ptr(), own[n]));
        ++counts[own[n]];
      }
    }
  });
}

/// One list for each text. Ids are taken from `numbers`, Python's int of each, so none is made anew.
nb::list id_lists(Given<std::uint32_t> ids, Given<std::int64_t> starts, const nb::list& numbers, std::size_t threads) {
  constexpr std::size_t kWorth = 1 << 17;  // ids for which threads are started
  const std::size_t texts = starts.size() ? starts.size() - 1 : 0, known = numbers.size();
  std::uint32_t most = 0;
  for (std::size_t n = 0; n < ids.size(); ++n) most = std::max(most, ids.data()[n]);
  if (ids.size() && most >= known) throw nb::index_error("ids");
  threads = ids.size() < kWorth ? 1 : thread_count(threads);
  // Lists of numbers are no garbage, and looking for some would take longer than making them.
  struct WithoutCollecting {
    const int collects = PyGC_Disable();
    ~WithoutCollecting() {
      if (collects) PyGC_Enable();
    }
  } without_collecting;
  nb::list lists = nb::steal<nb::list>(PyList_New(0));
  for (std::size_t text = 0; text < texts; ++text) {
    const std::int64_t start = starts.data()[text], end = starts.data()[text + 1];
    if (start < 0 || end < start || static_cast<std::size_t>(end) > ids.size()) throw nb::index_error("starts");
    if (threads == 1) {
      lists.append(id_list({ids.data() + start, ids.data() + end}, numbers));
    } else {
      nb::object empty = nb::steal(PyList_New(static_cast<Py_ssize_t>(end - start)));
      if (!empty.is_valid()) throw nb::python_error();
      lists.append(std::move(empty));
    }
  }
  if (threads > 1) fill_lists(lists, ids.data(), starts.data(), numbers, threads);
  return lists;
}

nb::bytes decode_array(const TokenBytes& tokens, std::span<const std::int64_t> ids) {
  nb::bytes bytes = nb::steal<nb::bytes>(PyBytes_FromStringAndSize(nullptr, tokens.size(ids)));
  if (!bytes.is_valid()) throw nb::python_error();
  nb::gil_scoped_release released;
  tokens.decode(ids, PyBytes_AS_STRING(bytes.ptr()));
  return bytes;
}

nb::bytes decode_list(const TokenBytes& tokens, const nb::list& list) {
  std::vector<std::int64_t> ids(list.size());
  for (std::size_t n = 0; n < ids.size(); ++n) {
    ids[n] = PyLong_AsLongLong(PyList_GET_ITEM(list.ptr(), n));
    if (ids[n] == -1 && PyErr_Occurred()) throw nb::python_error();
  }
  return decode_array(tokens, ids);
}

// normalize

nb::bytes normalized(const Normalizer& normalizer, const nb::bytes& text) {
  std::string out;
  {
    nb::gil_scoped_release released;
    normalizer.append(view(text), out);
  }
  return nb::bytes(out.data(), out.size());
}

}  // namespace

void bind_text(nb::module_& module) {
  // threads
  module.def("thread_count", &thread_count, "asked"_a = 0,
             "How many threads the core uses when asked for `asked`; 0: as many as this process may.");

  // unicode, split
  module.def("character_classes", &character_classes, "text"_a,
             "The class of each character of UTF-8 text, one byte for each, as native/unicode.hpp numbers them.");
  module.def("split_words", &split_words, "pattern"_a, "text"_a,
             "The words of UTF-8 text, cut by the pattern of this name; put together they are the text.");

  // texts and ids
  nb::class_<TokenBytes>(module, "TokenBytes", "The bytes of each id, and of ids in a row.")
      .def(
          "__init__",
          [](TokenBytes* place, const nb::list& pieces) { new (place) TokenBytes(strings(pieces)); }, "pieces"_a)
      .def("decode", &decode_list, "ids"_a)
      .def(
          "decode",
          [](const TokenBytes& tokens, Given<std::int64_t> ids) {
            return decode_array(tokens, {ids.data(), ids.size()});
          },
          "ids"_a);
  module.def("id_lists", &id_lists, "ids"_a, "starts"_a, "numbers"_a, "threads"_a = 0,
             "A list of ids for each text; `numbers` is list(range(vocab_size)).");

  // normalize
  nb::class_<Normalizer>(module, "Normalizer", "What SentencePiece does to a text: its rule table, then its spaces.")
      .def(
          "__init__",
          [](Normalizer* self, const nb::bytes& table, bool collapse, bool prefix, bool prefix_once, bool mark,
             bool suffix, const nb::list& kept) {
            new (self) Normalizer(view(table), {collapse, prefix, prefix_once, mark, suffix}, strings(kept));
          },
          "charsmap"_a, nb::kw_only(), "collapse_spaces"_a, "prefix_space"_a, "prefix_once"_a, "mark"_a, "suffix"_a,
          "kept"_a)
      .def("__call__", &normalized, "text"_a, "The text, UTF-8, normalised.");
}

}  // namespace idiolect
