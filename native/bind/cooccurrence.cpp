// Counts of words near each other, and what is learnt from them: GloVe, PPMI.
#include "python.hpp"

#include "../embed_cooccurrence.hpp"
#include "../embed_glove.hpp"
#include "../embed_ppmi.hpp"

namespace idiolect {
namespace {

using namespace nb::literals;

/// Records of 12 bytes as they lie in files, as rows of three numbers; the last is a float.
using Pairs = nb::ndarray<const std::uint32_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
template <class Number>
using Changed = nb::ndarray<Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const Cooccurrence> pairs_of(const Pairs& pairs) {
  return {reinterpret_cast<const Cooccurrence*>(pairs.data()), pairs.shape(0)};
}

}  // namespace

void bind_cooccurrence(nb::module_& module) {
  nb::class_<CooccurrenceCounter>(module, "CooccurrenceCounter")
      .def(nb::init<std::size_t, std::size_t, std::size_t, std::size_t, std::string>(), "words"_a, "window"_a,
           nb::kw_only(), "memory"_a, "threads"_a, "runs_path"_a)
      .def("add", [](CooccurrenceCounter& counter, Given<std::int32_t> ids) {
             nb::gil_scoped_release released;
             counter.add(span_of(ids));
           }, "ids"_a)
      .def("finish", &CooccurrenceCounter::finish, "path"_a, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("runs", &CooccurrenceCounter::runs);

  nb::class_<GloveModel>(module, "GloveModel")
      .def("__init__", [](GloveModel* self, std::size_t words, std::size_t dim, float rate, float x_max,
                          std::uint64_t seed, std::string_view kernels) {
             const Kernels& chosen = kernels_of(kernels);
             new (self) GloveModel(words, dim, rate, x_max, seed);
             self->kernels = &chosen;
           }, "words"_a, "dim"_a, nb::kw_only(), "rate"_a, "x_max"_a, "seed"_a, "kernels"_a = "")
      .def_prop_ro("rows", [](GloveModel& model) {
             return Matrix(model.rows.data(), {4 * model.words, model.width}, nb::find(model));
           })
      .def("step", [](GloveModel& model, std::uint32_t word, std::uint32_t context, float weight) {
             if (word >= model.words || context >= model.words || !(weight > 0)) throw nb::index_error("pair");
             return model.step(word, context, weight);
           }, "word"_a, "context"_a, "weight"_a)
      .def("train", [](GloveModel& model, const Pairs& pairs, std::uint64_t epoch, std::uint64_t chunk, std::size_t threads) {
             nb::gil_scoped_release released;
             return model.train(pairs_of(pairs), epoch, chunk, threads);
           }, "pairs"_a, "epoch"_a, "chunk"_a, "threads"_a = 0)
      .def("vectors", [](const GloveModel& model, std::size_t first, std::size_t last) {
             return vectors_of(model, model.dim, first, last);
           }, "first"_a, "last"_a);

  module.def("fill_rows", [](const Pairs& pairs, Changed<std::int64_t> ends, Changed<std::uint32_t> columns, Changed<float> logs) {
               nb::gil_scoped_release released;
               fill_rows(pairs_of(pairs), span_of(ends), span_of(columns), span_of(logs));
             }, "pairs"_a, "ends"_a, "columns"_a, "logs"_a);
  module.def("ppmi_product", [](Given<std::int64_t> starts, Given<std::uint32_t> columns, Given<float> logs,
                                Given<float> of_row, Given<float> of_column,
                                nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu> x, std::size_t threads) {
               const std::size_t rows = x.shape(0), columns_of_x = x.shape(1);
               const std::size_t width = row_width(columns_of_x);
               auto* out = new Table<float>(rows * width);
               nb::capsule owner(out, [](void* memory) noexcept { delete static_cast<Table<float>*>(memory); });
               {
                 nb::gil_scoped_release released;
                 Table<float> filled(rows * width);
                 for (std::size_t row = 0; row < rows; ++row) {
                   std::copy_n(x.data() + row * columns_of_x, columns_of_x, filled.data() + row * width);
                 }
                 ppmi_product({span_of(starts), span_of(columns), span_of(logs)}, span_of(of_row), span_of(of_column), filled,
                              *out, width, threads);
               }
               return nb::cast(Matrix(out->data(), {rows, width}, owner));
             }, "starts"_a, "columns"_a, "logs"_a, "of_row"_a, "of_column"_a, "x"_a, "threads"_a = 0);
}

}  // namespace idiolect
