// Counting words, and learning BPE from them.
#include "python.hpp"

#include "../bpe_alphabet.hpp"
#include "../bpe_learn.hpp"
#include "../rows.hpp"
#include "../spaces.hpp"
#include "../split.hpp"
#include "../words.hpp"

namespace idiolect {
namespace {

using namespace nb::literals;

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

void bind_learning(nb::module_& module) {
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

}  // namespace idiolect
