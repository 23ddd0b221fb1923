// The unigram model, learnt and used.
#include "python.hpp"

#include <algorithm>

#include "../unigram_encode.hpp"
#include "../unigram_learn.hpp"
#include "../unigram_paths.hpp"
#include "../unigram_words.hpp"

namespace idiolect {
namespace {

using namespace nb::literals;

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
                                                                                       Counts words) {
  nb::gil_scoped_release released;
  UnigramPieces learnt = learn_unigram(std::move(words), learning, check_signals);
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

}  // namespace

void bind_unigram(nb::module_& module) {
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
             Counts counts = words.counts();
             std::sort(counts.begin(), counts.end(), [](const auto& one, const auto& other) {
               return one.second != other.second ? one.second > other.second : one.first < other.first;
             });
             for (const auto& [word, count] : counts)
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
          "split_scripts", [](const UnigramLearning& learning) { return learning.limits.split_scripts; },
          [](UnigramLearning& learning, bool split) { learning.limits.split_scripts = split; })
      .def_prop_rw(
          "split_numbers", [](const UnigramLearning& learning) { return learning.limits.split_numbers; },
          [](UnigramLearning& learning, bool split) { learning.limits.split_numbers = split; })
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
  module.def(
      "unigram_expectation",
      [](const nb::list& pieces, const std::vector<float>& scores, const nb::list& words, std::size_t shards, std::size_t threads) {
        const std::vector<std::string> names = strings(pieces);
        if (names.size() != scores.size()) throw std::invalid_argument("Each piece needs one score.");
        std::vector<std::pair<std::string, float>> scored;
        for (std::size_t i = 0; i < names.size(); ++i) scored.emplace_back(names[i], scores[i]);
        Counts counts = counts_of(words);
        nb::gil_scoped_release released;
        UnigramExpectation expectation = unigram_expectation(std::move(scored), std::move(counts), shards, threads);
        return std::pair(std::move(expectation.counts), expectation.log_likelihood);
      },
      "pieces"_a, "scores"_a, "words"_a, "shards"_a = 16, "threads"_a = 0);
  nb::class_<UnigramEncoder>(module, "UnigramEncoder", "A unigram model, ready to encode.")
      .def("__init__", &make_unigram_encoder, "pieces"_a, "scores"_a, "kinds"_a, "byte_ids"_a, nb::kw_only(),
           "collapse_spaces"_a, "prefix_space"_a, "mark"_a)
      .def("encode", &unigram_encode, "texts"_a, "threads"_a = 0,
           "The ids of all texts, and where each text begins in them; one more place for the end.")
      .def("nbest", &unigram_nbest, "text"_a, "n"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("sample", &unigram_sample, "text"_a, "alpha"_a, "seed"_a, "nbest"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("log_likelihood", &unigram_log_likelihood, "text"_a, "best_only"_a, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace idiolect
