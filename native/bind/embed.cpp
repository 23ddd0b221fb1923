// Word vectors: words as ids, and learning.
#include "python.hpp"

#include "../embed_model.hpp"
#include "../embed_phrases.hpp"
#include "../embed_step.hpp"
#include "../embed_subwords.hpp"
#include "../embed_train.hpp"
#include "../embed_words.hpp"

namespace idiolect {
namespace {

using namespace nb::literals;

using Windows = nb::ndarray<const std::uint32_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;

/// Makes the update of one batch that is given; its loss and its positive pairs.
std::pair<double, std::uint64_t> step_once(EmbedModel& model, Given<std::int32_t> words, std::size_t first,
                                           Windows windows, Given<std::int32_t> negatives, float rate) {
  Batch batch{span_of(words), first, {}, {negatives.data(), negatives.data() + negatives.size()}, rate};
  auto known = [&](std::int32_t word) { return word >= 0 && static_cast<std::size_t>(word) < model.words; };
  bool fits = first + windows.shape(0) <= words.size() && negatives.size() % kRowStep == 0;
  for (std::int32_t word : batch.words) fits &= known(word);
  for (std::int32_t word : batch.negatives) fits &= known(word);
  for (std::size_t i = 0; i < windows.shape(0); ++i) {
    const Window window{windows(i, 0), windows(i, 1)};
    fits &= window.first <= first + i && first + i < window.last && window.last <= words.size() &&
            window.last - window.first <= 2 * model.options.window + 1;
    batch.windows.push_back(window);
  }
  if (!fits) throw std::invalid_argument("The parts of the batch do not fit together.");
  Step step(model);
  step.compute(batch, true);
  step.add_to(model, [](std::uint32_t) { return true; });
  return {step.loss, step.pairs};
}

}  // namespace

void bind_embed(nb::module_& module) {
  // embed_words
  module.def("cut_words", [](std::string_view rule, const nb::bytes& text) {
               nb::list words;
               each_word(word_rule_of(rule), view(text), [&](std::string_view word) {
                 words.append(nb::bytes(word.data(), word.size()));
               });
               return words;
             }, "rule"_a, "text"_a);
  module.def("count_words", [](WordCounter& counter, std::string_view rule, const nb::list& texts) {
               const Texts held(texts);
               nb::gil_scoped_release released;
               count_words(counter, word_rule_of(rule), held.views());
             }, "counter"_a, "rule"_a, "texts"_a);
  module.def("frequent_words", [](const CountedWords& counted, std::int64_t least) {
               nb::list words;
               std::vector<std::int64_t> counts;
               for (std::size_t place : frequent(counted, least)) {
                 const std::string_view word = counted[place];
                 words.append(nb::bytes(word.data(), word.size()));
                 counts.push_back(counted.counts[place]);
               }
               return nb::make_tuple(words, to_numpy(std::move(counts)));
             }, "counted"_a, "least"_a);
  nb::class_<WordIds>(module, "WordIds")
      .def("__init__", [](WordIds* self, const nb::list& words) { new (self) WordIds(strings(words)); }, "words"_a)
      .def("ids", [](const WordIds& words, std::string_view rule, const nb::list& texts, std::size_t threads) {
             const Texts held(texts);
             std::vector<std::int32_t> ids;
             {
               nb::gil_scoped_release released;
               ids = words.ids(word_rule_of(rule), held.views(), threads);
             }
             return to_numpy(std::move(ids));
           }, "rule"_a, "texts"_a, "threads"_a = 0);

  // embed_phrases
  nb::class_<PairCounter>(module, "PairCounter")
      .def(nb::init<std::size_t>(), "most_pairs"_a = (std::size_t{1} << 22) - 1)
      .def("add", [](PairCounter& counter, Given<std::int32_t> ids) {
             nb::gil_scoped_release released;
             counter.add(span_of(ids));
           }, "ids"_a)
      .def("phrases", [](const PairCounter& counter, Given<std::int64_t> counts, std::int64_t least, double threshold) {
             return counter.phrases(span_of(counts), least, threshold);
           }, "counts"_a, "least"_a, "threshold"_a);
  nb::class_<PhraseJoiner>(module, "PhraseJoiner")
      .def(nb::init<const std::vector<WordPair>&, std::int32_t>(), "phrases"_a, "first"_a)
      .def("join", [](PhraseJoiner& joiner, Given<std::int32_t> ids) {
             std::vector<std::int32_t> joined;
             {
               nb::gil_scoped_release released;
               joined = joiner.join(span_of(ids));
             }
             return to_numpy(std::move(joined));
           }, "ids"_a);

  // embed_subwords
  module.def("subword_buckets", [](const nb::list& words, std::size_t shortest, std::size_t longest, std::uint64_t buckets) {
               const std::vector<std::string> held = strings(words);
               Subwords found;
               {
                 nb::gil_scoped_release released;
                 found = subwords(held, shortest, longest, buckets);
               }
               return nb::make_tuple(to_numpy(std::move(found.starts)), to_numpy(std::move(found.buckets)));
             }, "words"_a, "shortest"_a, "longest"_a, "buckets"_a);

  // embed_kernels, embed_model, embed_step, embed_train
  module.def("embed_kernels", [] {
    std::vector<std::string> names;
    for (const Kernels* kernels : usable_kernels()) names.emplace_back(kernels->name);
    return names;
  });
  module.attr("EMBED_BLOCK") = kBlock;
  module.attr("EMBED_LANES") = kLanes;
  nb::class_<Trained>(module, "Trained")
      .def_ro("words", &Trained::words)
      .def_ro("centres", &Trained::centres)
      .def_ro("loss", &Trained::loss)
      .def_ro("pairs", &Trained::pairs);
  nb::class_<EmbedModel>(module, "EmbedModel")
      .def("__init__", [](EmbedModel* self, Given<std::int64_t> counts, Given<std::int64_t> subword_starts,
                          Given<std::uint32_t> subword_buckets, std::size_t buckets, bool cbow, bool hierarchical,
                          std::size_t dim, std::size_t window, std::size_t negative, double sample, double rate,
                          std::uint64_t epochs, std::uint64_t seed, std::string_view kernels) {
             const EmbedOptions options{.cbow = cbow, .hierarchical = hierarchical, .dim = dim, .window = window,
                                        .negative = negative, .sample = sample, .rate = rate, .epochs = epochs,
                                        .seed = seed};
             const Kernels& chosen = kernels_of(kernels);
             nb::gil_scoped_release released;
             new (self) EmbedModel(options, span_of(counts), span_of(subword_starts), span_of(subword_buckets), buckets);
             self->kernels = &chosen;
           }, "counts"_a, "subword_starts"_a, "subword_buckets"_a, "buckets"_a, nb::kw_only(), "cbow"_a,
           "hierarchical"_a, "dim"_a, "window"_a, "negative"_a, "sample"_a, "rate"_a, "epochs"_a, "seed"_a,
           "kernels"_a = "")
      .def_prop_ro("input", [](EmbedModel& model) {
             return Matrix(model.input.data(), {model.input_rows, model.width}, nb::find(model));
           })
      .def_prop_ro("output", [](EmbedModel& model) {
             return Matrix(model.output.data(), {model.output_rows, model.width}, nb::find(model));
           })
      .def("vectors", [](const EmbedModel& model, std::size_t first, std::size_t last) {
             return vectors_of(model, model.options.dim, first, last);
           }, "first"_a, "last"_a)
      .def("step", &step_once, "words"_a, "first"_a, "windows"_a, "negatives"_a, "rate"_a)
      .def("train", [](EmbedModel& model, Given<std::int32_t> ids, std::uint64_t epoch, std::size_t first,
                       std::size_t blocks, std::size_t threads, bool deterministic) {
             nb::gil_scoped_release released;
             return train(model, span_of(ids), epoch, first, blocks, threads, deterministic);
           }, "ids"_a, "epoch"_a, "first"_a, "blocks"_a, nb::kw_only(), "threads"_a = 0, "deterministic"_a = false)
      .def("path", [](const EmbedModel& model, std::size_t word) {
             if (word >= model.words || !model.options.hierarchical) throw nb::index_error("word");
             const std::uint32_t begin = model.tree.starts[word], end = model.tree.starts[word + 1];
             std::vector<std::pair<int, int>> path;
             for (std::uint32_t n = begin; n < end; ++n) path.emplace_back(model.tree.nodes[n], model.tree.codes[n]);
             return path;
           }, "word"_a)
      .def("negative_probabilities", [](const EmbedModel& model) { return model.negatives.probabilities(); })
      .def("kept_shares", [](const EmbedModel& model) {
        std::vector<double> shares;
        for (std::uint64_t share : model.kept) shares.push_back(static_cast<double>(share) * 0x1p-32);
        return shares;
      });
}

}  // namespace idiolect
