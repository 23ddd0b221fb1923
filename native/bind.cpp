// The module `idiolect._native`: the one file of the native core that is aware of Python.
//
// Each binding is a few lines without logic of its own: it takes the arguments out of Python, lets go of the global lock
// while the core works, and hands the result back. What the core throws as std::invalid_argument is a ValueError with
// the same sentence. The stub for type checkers is `src/idiolect/_native.pyi`.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bpe_alphabet.hpp"
#include "bpe_encode.hpp"
#include "bpe_learn.hpp"
#include "normalize.hpp"
#include "rows.hpp"
#include "spaces.hpp"
#include "split.hpp"
#include "threads.hpp"
#include "token_bytes.hpp"
#include "unicode.hpp"
#include "unigram_encode.hpp"
#include "unigram_learn.hpp"
#include "unigram_paths.hpp"
#include "unigram_words.hpp"
#include "utf8.hpp"
#include "words.hpp"

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

// texts and ids, for every family of tokenizers

using IdArray = nb::ndarray<nb::numpy, std::uint32_t, nb::ndim<1>>;
using PlaceArray = nb::ndarray<nb::numpy, std::int64_t, nb::ndim<1>>;
template <class Number>
using Given = nb::ndarray<const Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

/// Python's strings, bytes and buffers as UTF-8, without a copy where they lie in memory so.
class Texts {
 public:
  explicit Texts(const nb::list& texts) {
    const std::size_t count = texts.size();
    views_.reserve(count);
    for (std::size_t n = 0; n < count; ++n) add(PyList_GET_ITEM(texts.ptr(), n));
  }
  explicit Texts(const nb::object& text) { add(text.ptr()); }
  ~Texts() {
    for (Py_buffer& buffer : buffers_) PyBuffer_Release(&buffer);
  }
  std::span<const std::string_view> views() const { return views_; }

 private:
  void add(PyObject* text) {
    if (PyUnicode_Check(text) && PyUnicode_IS_COMPACT_ASCII(text)) {
      kept_.push_back(nb::borrow(text));
      views_.emplace_back(static_cast<const char*>(PyUnicode_DATA(text)), PyUnicode_GET_LENGTH(text));
    } else if (PyUnicode_Check(text)) {
      kept_.push_back(nb::steal(PyUnicode_AsUTF8String(text)));
      if (!kept_.back().is_valid()) throw nb::python_error();  // a lone surrogate
      views_.emplace_back(PyBytes_AS_STRING(kept_.back().ptr()), PyBytes_GET_SIZE(kept_.back().ptr()));
    } else {
      Py_buffer buffer;
      if (PyObject_GetBuffer(text, &buffer, PyBUF_SIMPLE) != 0) throw nb::python_error();
      buffers_.push_back(buffer);
      views_.emplace_back(static_cast<const char*>(buffer.buf), buffer.len);
    }
  }

  std::vector<std::string_view> views_;
  std::vector<nb::object> kept_;
  std::vector<Py_buffer> buffers_;
};

IdArray to_numpy(Ids ids) {
  const std::size_t size = ids.size();
  std::uint32_t* data = ids.release();
  return IdArray(data, {size}, nb::capsule(data, [](void* memory) noexcept { std::free(memory); }));
}

template <class Number, class Array = nb::ndarray<nb::numpy, Number, nb::ndim<1>>>
Array to_numpy(std::vector<Number> numbers) {
  auto* kept = new std::vector<Number>(std::move(numbers));
  nb::capsule owner(kept, [](void* memory) noexcept { delete static_cast<std::vector<Number>*>(memory); });
  return Array(kept->data(), {kept->size()}, owner);
}

/// The ids as a list of the ints in `numbers`.
nb::list id_list(std::span<const std::uint32_t> ids, const nb::list& numbers) {
  const std::size_t known = numbers.size();
  nb::list list = nb::steal<nb::list>(PyList_New(static_cast<Py_ssize_t>(ids.size())));
  if (!list.is_valid()) throw nb::python_error();
  for (std::size_t n = 0; n < ids.size(); ++n) {
    if (ids[n] >= known) throw nb::index_error("ids");
    PyObject* number = PyList_GET_ITEM(numbers.ptr(), ids[n]);
    Py_INCREF(number);
    PyList_SET_ITEM(list.ptr(), n, number);
  }
  return list;
}

/// One list for each text. Ids are taken from `numbers`, Python's int of each, so none is made anew.
nb::list id_lists(Given<std::uint32_t> ids, Given<std::int64_t> starts, const nb::list& numbers) {
  const std::size_t texts = starts.size() ? starts.size() - 1 : 0;
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
    lists.append(id_list({ids.data() + start, ids.data() + end}, numbers));
  }
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

std::vector<std::string> strings(const nb::list& list) {
  std::vector<std::string> strings;
  strings.reserve(list.size());
  for (nb::handle one : list) strings.emplace_back(view(nb::cast<nb::bytes>(one)));
  return strings;
}

// BPE

void make_bpe_encoder(BpeEncoder* place, const nb::list& pieces, Given<std::uint32_t> special,
                      nb::ndarray<const std::uint32_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu> merges,
                      std::string_view pattern, bool characters, Given<std::uint32_t> byte_ids, std::int64_t unknown,
                      bool ignore_merges, bool rank_by_piece) {
  BpeSettings settings;
  settings.pieces = strings(pieces);
  settings.special.resize(settings.pieces.size());
  for (std::size_t n = 0; n < special.size(); ++n) settings.special.at(special.data()[n]) = true;
  for (std::size_t n = 0; n < merges.shape(0); ++n) {
    settings.merges.emplace_back(merges.data()[3 * n], merges.data()[3 * n + 1]);
    settings.merged.push_back(merges.data()[3 * n + 2]);
  }
  settings.pattern = pattern_of(pattern);
  settings.characters = characters;
  settings.byte_ids.assign(byte_ids.data(), byte_ids.data() + byte_ids.size());
  settings.unknown = unknown < 0 ? kNoToken : static_cast<std::uint32_t>(unknown);
  settings.ignore_merges = ignore_merges;
  settings.rank_by_piece = rank_by_piece;
  new (place) BpeEncoder(std::move(settings));
}

std::pair<IdArray, PlaceArray> bpe_encode(const BpeEncoder& encoder, const nb::list& list, std::size_t threads,
                                          bool check) {
  const Texts texts(list);
  Encoded encoded;
  {
    nb::gil_scoped_release released;
    encoded = encoder.encode(texts.views(), threads, check);
  }
  return {to_numpy(std::move(encoded.ids)), to_numpy(std::move(encoded.starts))};
}

nb::list bpe_encode_text(const BpeEncoder& encoder, const nb::object& text, const nb::list& numbers) {
  const Texts texts(text);
  Ids ids;
  {
    nb::gil_scoped_release released;
    ids = encoder.encode_text(texts.views()[0]);
  }
  return id_list({ids.data(), ids.size()}, numbers);
}

std::pair<IdArray, IdArray> bpe_encode_lengths(const BpeEncoder& encoder, const nb::object& text) {
  const Texts texts(text);
  std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> encoded;
  {
    nb::gil_scoped_release released;
    encoded = encoder.encode_lengths(texts.views()[0]);
  }
  return {to_numpy(std::move(encoded.first)), to_numpy(std::move(encoded.second))};
}

IdArray bpe_sample(const BpeEncoder& encoder, const nb::object& text, double dropout, std::uint64_t seed) {
  const Texts texts(text);
  std::vector<std::uint32_t> ids;
  {
    nb::gil_scoped_release released;
    ids = encoder.sample(texts.views()[0], dropout, seed);
  }
  return to_numpy(std::move(ids));
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

// unigram

/// Throws what a pressed Ctrl-C throws in Python, now and then while the core works.
void check_signals() {
  nb::gil_scoped_acquire lock;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

using Counts = std::vector<std::pair<std::string, std::int64_t>>;

Counts counts_of(const nb::list& counted) {
  Counts words;
  words.reserve(counted.size());
  for (nb::handle pair : counted)
    words.emplace_back(view(nb::cast<nb::bytes>(pair[0])), nb::cast<std::int64_t>(pair[1]));
  return words;
}

std::pair<std::vector<std::pair<std::string, float>>, std::vector<double>> unigram_learn(const UnigramLearning& learning,
                                                                                       const Counts& words) {
  nb::gil_scoped_release released;
  UnigramPieces learnt = learn_unigram(words, learning, check_signals);
  return {std::move(learnt.pieces), std::move(learnt.likelihood)};
}

void make_unigram_encoder(UnigramEncoder* place, const nb::list& pieces, Given<float> scores, const nb::bytes& kinds,
                          Given<std::uint32_t> byte_ids, bool collapse_spaces, bool prefix_space, bool mark) {
  UnigramSettings settings;
  settings.pieces = strings(pieces);
  settings.scores.assign(scores.data(), scores.data() + scores.size());
  for (char kind : view(kinds)) settings.kinds.push_back(static_cast<PieceKind>(kind));
  settings.byte_ids.assign(byte_ids.data(), byte_ids.data() + byte_ids.size());
  settings.collapse_spaces = collapse_spaces;
  settings.prefix_space = prefix_space;
  settings.mark = mark;
  new (place) UnigramEncoder(std::move(settings));
}

std::pair<IdArray, PlaceArray> unigram_encode(const UnigramEncoder& encoder, const nb::list& list, std::size_t threads) {
  const Texts texts(list);
  Encoded encoded;
  {
    nb::gil_scoped_release released;
    encoded = encoder.encode(texts.views(), threads);
  }
  return {to_numpy(std::move(encoded.ids)), to_numpy(std::move(encoded.starts))};
}

// rows, words

std::vector<std::string_view> views(Given<std::uint8_t> data, Given<std::int64_t> begins, Given<std::int64_t> ends) {
  return rows({reinterpret_cast<const char*>(data.data()), data.size()}, {begins.data(), begins.size()},
              {ends.data(), ends.size()});
}

void count_list(WordCounter& counter, const nb::list& texts) {
  const Texts held(texts);
  nb::gil_scoped_release released;
  counter.add(held.views());
}

nb::list list_words(const CountedWords& words) {
  nb::list list;
  for (std::size_t number = 0; number < words.size(); ++number) {
    const std::string_view word = words[number];
    list.append(nb::make_tuple(nb::bytes(word.data(), word.size()), words.counts[number]));
  }
  return list;
}

// bpe_learn

nb::tuple tokens_to_python(const LearntTokens& tokens) {
  nb::list alphabet;
  for (const std::string& piece : tokens.alphabet) alphabet.append(nb::bytes(piece.data(), piece.size()));
  return nb::make_tuple(alphabet, tokens.learnt.merges, tokens.learnt.counts);
}

LearnOptions learn_options(std::string_view tie, std::int64_t min_frequency, std::size_t longest, const nb::list& barred) {
  LearnOptions options{tie_of(tie), 0, min_frequency, longest, {}};
  for (nb::handle name : barred) options.barred.push_back(nb::cast<std::string>(name));
  return options;
}

using SymbolWord = std::pair<std::vector<std::uint32_t>, std::int64_t>;

Learnt learn_from_symbols(const std::vector<SymbolWord>& words, std::size_t symbols, std::size_t most, std::string_view tie,
                          std::int64_t min_frequency, std::size_t longest) {
  BpeLearner learner(std::vector<std::string>(symbols), {tie_of(tie), most, min_frequency, longest, {}});
  for (const auto& [word, count] : words) learner.add(word, count);
  return learner.run();
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "The native core of idiolect: tokenizers.";
  nb::set_leak_warnings(false);  // a tokenizer in a module's globals outlives the interpreter, and may

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
  module.def("id_lists", &id_lists, "ids"_a, "starts"_a, "numbers"_a,
             "A list of ids for each text; `numbers` is list(range(vocab_size)).");

  // BPE
  nb::class_<BpeEncoder>(module, "BpeEncoder", "A BPE vocabulary, ready to encode.")
      .def("__init__", &make_bpe_encoder, "pieces"_a, "special"_a, "merges"_a, "pattern"_a, "characters"_a, "byte_ids"_a,
           "unknown"_a, "ignore_merges"_a, "rank_by_piece"_a)
      .def("encode", &bpe_encode, "texts"_a, "threads"_a = 0, "check"_a = false,
           "The ids of all texts, and where each text begins in them; one more place for the end.")
      .def("encode_text", &bpe_encode_text, "text"_a, "numbers"_a,
           "The ids of one text as a list; `numbers` is list(range(vocab_size)).")
      .def("encode_lengths", &bpe_encode_lengths, "text"_a, "The ids of a text, and the bytes that each stands for.")
      .def("sample", &bpe_sample, "text"_a, "dropout"_a, "seed"_a, "The ids of a text with BPE-dropout.");
  // normalize
  nb::class_<Normalizer>(module, "Normalizer", "What SentencePiece does to a text: its rule table, then its spaces.")
      .def(
          "__init__",
          [](Normalizer* self, const nb::bytes& table, bool collapse, bool prefix, bool prefix_once, bool mark) {
            new (self) Normalizer(view(table), {collapse, prefix, prefix_once, mark});
          },
          "charsmap"_a, nb::kw_only(), "collapse_spaces"_a, "prefix_space"_a, "prefix_once"_a, "mark"_a)
      .def("__call__", &normalized, "text"_a, "The text, UTF-8, normalised.");

  // unigram
  nb::class_<UnigramWords>(module, "UnigramWords", "Counts the words that a unigram model learns from.")
      .def(
          "__init__",
          [](UnigramWords* place, bool lines, bool collapse_spaces, bool prefix_space, bool cut_scripts, bool ends,
             std::size_t longest_sentence, std::size_t threads) {
            new (place) UnigramWords({lines, collapse_spaces, prefix_space, cut_scripts, ends, longest_sentence}, threads);
          },
          nb::kw_only(), "lines"_a, "collapse_spaces"_a, "prefix_space"_a, "cut_scripts"_a, "ends"_a, "longest_sentence"_a,
          "threads"_a)
      .def(
          "add",
          [](UnigramWords& words, const nb::list& list) {
            const Texts texts(list);
            nb::gil_scoped_release released;
            words.add(texts.views());
          },
          "texts"_a)
      .def("counts",
           [](const UnigramWords& words) {
             nb::list pairs;
             for (const auto& [word, count] : words.counts())
               pairs.append(nb::make_tuple(nb::bytes(word.data(), word.size()), count));
             return pairs;
           })
      .def_prop_ro("sentences", &UnigramWords::sentences)
      .def_prop_ro("left_out", &UnigramWords::left_out);
  nb::class_<UnigramLearning>(module, "UnigramLearning", "How a unigram model is learnt; native/unigram_learn.hpp.")
      .def(nb::init<>())
      .def_rw("pieces", &UnigramLearning::pieces)
      .def_rw("target", &UnigramLearning::target)
      .def_rw("seeds", &UnigramLearning::seeds)
      .def_prop_rw(
          "max_piece_length", [](const UnigramLearning& learning) { return learning.limits.max_piece_length; },
          [](UnigramLearning& learning, std::size_t length) { learning.limits.max_piece_length = length; })
      .def_prop_rw(
          "split_digits", [](const UnigramLearning& learning) { return learning.limits.split_digits; },
          [](UnigramLearning& learning, bool split) { learning.limits.split_digits = split; })
      .def_prop_rw(
          "required",
          [](const UnigramLearning& learning) {
            return std::vector<std::uint32_t>(learning.required.begin(), learning.required.end());
          },
          [](UnigramLearning& learning, const std::vector<std::uint32_t>& codes) {
            learning.required.assign(codes.begin(), codes.end());
          })
      .def_rw("coverage", &UnigramLearning::coverage)
      .def_rw("shrinking", &UnigramLearning::shrinking)
      .def_rw("sub_iterations", &UnigramLearning::sub_iterations)
      .def_rw("shards", &UnigramLearning::shards)
      .def_rw("like_sentencepiece", &UnigramLearning::like_sentencepiece)
      .def_rw("threads", &UnigramLearning::threads)
      .def(
          "learn",
          [](const UnigramLearning& learning, const nb::list& words) { return unigram_learn(learning, counts_of(words)); },
          "words"_a, "Pieces with scores, the likeliest first, and the log likelihood per word after each step.")
      .def(
          "learn",
          [](const UnigramLearning& learning, const UnigramWords& words) { return unigram_learn(learning, words.counts()); },
          "words"_a);
  nb::class_<UnigramEncoder>(module, "UnigramEncoder", "A unigram model, ready to encode.")
      .def("__init__", &make_unigram_encoder, "pieces"_a, "scores"_a, "kinds"_a, "byte_ids"_a, nb::kw_only(),
           "collapse_spaces"_a, "prefix_space"_a, "mark"_a)
      .def("encode", &unigram_encode, "texts"_a, "threads"_a = 0,
           "The ids of all texts, and where each text begins in them; one more place for the end.")
      .def("nbest", &unigram_nbest, "text"_a, "n"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("sample", &unigram_sample, "text"_a, "alpha"_a, "seed"_a, "nbest"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("log_likelihood", &unigram_log_likelihood, "text"_a, "best_only"_a, nb::call_guard<nb::gil_scoped_release>());

  // rows
  module.def("first_invalid", [](Given<std::uint8_t> data, Given<std::int64_t> begins, Given<std::int64_t> ends) {
               nb::gil_scoped_release released;
               return first_invalid(views(data, begins, ends));
             }, "data"_a, "begins"_a, "ends"_a);
  module.def("hashes", [](Given<std::uint8_t> data, Given<std::int64_t> begins, Given<std::int64_t> ends) {
               std::vector<std::uint64_t> numbers;
               {
                 nb::gil_scoped_release released;
                 numbers = hashes(views(data, begins, ends));
               }
               return to_numpy(std::move(numbers));
             }, "data"_a, "begins"_a, "ends"_a);

  // words
  nb::class_<CountedWords>(module, "CountedWords")
      .def("__len__", &CountedWords::size)
      .def("items", &list_words)
      .def_ro("missing", &CountedWords::missing)
      .def_ro("forgotten", &CountedWords::forgotten);
  nb::class_<WordCounter>(module, "WordCounter")
      .def("__init__", [](WordCounter* self, std::string_view pattern, std::size_t threads, std::size_t max_memory,
                          bool lines, bool collapse, bool prefix, bool mark, std::vector<std::string> names) {
             new (self) WordCounter(pattern_of(pattern), threads, max_memory,
                                    {lines, collapse, prefix, mark, std::move(names)});
           }, "pattern"_a, "threads"_a = 0, "max_memory"_a = 0, nb::kw_only(), "lines"_a = false,
           "collapse_spaces"_a = false, "prefix_space"_a = false, "mark"_a = false,
           "names"_a = std::vector<std::string>())
      .def("add", &count_list, "texts"_a)
      .def("add_rows", [](WordCounter& counter, Given<std::uint8_t> data, Given<std::int64_t> begins, Given<std::int64_t> ends) {
             nb::gil_scoped_release released;
             counter.add(views(data, begins, ends));
           }, "data"_a, "begins"_a, "ends"_a)
      .def("add_word", [](WordCounter& counter, const nb::bytes& word, std::int64_t count) {
             counter.add_word(view(word), count);
           }, "word"_a, "count"_a)
      .def("finish", &WordCounter::finish, nb::call_guard<nb::gil_scoped_release>());

  // bpe_learn
  module.def("learn_merges", [](const std::vector<SymbolWord>& words, std::size_t symbols, std::size_t most,
                                std::string_view tie, std::int64_t min_frequency, std::size_t longest) {
               return learn_from_symbols(words, symbols, most, tie, min_frequency, longest).merges;
             }, "words"_a, "symbols"_a, "most"_a, "tie"_a, "min_frequency"_a = 1, "longest"_a = 0,
             nb::call_guard<nb::gil_scoped_release>());
  module.def("learn_from_bytes", [](const CountedWords& words, const nb::bytes& alphabet, std::size_t pieces,
                                    std::string_view tie, std::int64_t min_frequency, std::size_t longest,
                                    const nb::list& barred) {
               LearnOptions options = learn_options(tie, min_frequency, longest, barred);
               LearntTokens tokens;
               {
                 nb::gil_scoped_release released;
                 tokens = learn_from_bytes(words, view(alphabet), pieces, std::move(options));
               }
               return tokens_to_python(tokens);
             }, "words"_a, "alphabet"_a, "pieces"_a, "tie"_a, nb::kw_only(), "min_frequency"_a = 1, "longest"_a = 0,
             "barred"_a = nb::list());
  module.def("learn_from_characters", [](const CountedWords& words, std::size_t pieces, std::string_view tie,
                                         std::int64_t min_frequency, std::size_t longest, const nb::list& barred,
                                         double coverage, const std::string& required, const std::string& excluded,
                                         bool by_frequency, bool piece_rules, bool split_by_script, bool split_by_number,
                                         bool split_digits) {
               LearnOptions options = learn_options(tie, min_frequency, longest, barred);
               const CharacterOptions characters{
                   coverage, required, excluded, by_frequency ? CharacterOrder::frequency : CharacterOrder::code_point,
                   piece_rules, {split_by_script, split_by_number, split_digits}};
               LearntTokens tokens;
               {
                 nb::gil_scoped_release released;
                 tokens = learn_from_characters(words, characters, pieces, std::move(options));
               }
               return tokens_to_python(tokens);
             }, "words"_a, "pieces"_a, "tie"_a, nb::kw_only(), "min_frequency"_a = 1, "longest"_a = 0,
             "barred"_a = nb::list(), "coverage"_a = 1.0, "required"_a = "", "excluded"_a = "", "by_frequency"_a = false,
             "piece_rules"_a = false, "split_by_script"_a = true, "split_by_number"_a = true, "split_digits"_a = false);
}
