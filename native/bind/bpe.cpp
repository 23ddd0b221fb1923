// The BPE encoder.
#include "python.hpp"

#include "../bpe_encode.hpp"

namespace idiolect {
namespace {

using namespace nb::literals;

void make_bpe_encoder(BpeEncoder* place, const nb::list& pieces, Given<std::uint32_t> special,
                      nb::ndarray<const std::uint32_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu> merges,
                      std::string_view pattern, bool characters, Given<std::uint32_t> byte_ids, std::int64_t unknown,
                      bool ignore_merges, bool rank_by_piece, bool fuse_unknown, Given<std::uint32_t> unused) {
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
  settings.fuse_unknown = fuse_unknown;
  settings.unused.assign(unused.data(), unused.data() + unused.size());
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

}  // namespace

void bind_bpe(nb::module_& module) {
  nb::class_<BpeEncoder>(module, "BpeEncoder", "A BPE vocabulary, ready to encode.")
      .def("__init__", &make_bpe_encoder, "pieces"_a, "special"_a, "merges"_a, "pattern"_a, "characters"_a, "byte_ids"_a,
           "unknown"_a, "ignore_merges"_a, "rank_by_piece"_a,
           "fuse_unknown"_a, "unused"_a)
      .def("encode", &bpe_encode, "texts"_a, "threads"_a = 0, "check"_a = false,
           "The ids of all texts, and where each text begins in them; one more place for the end.")
      .def("encode_text", &bpe_encode_text, "text"_a, "numbers"_a,
           "The ids of one text as a list; `numbers` is list(range(vocab_size)).")
      .def("encode_lengths", &bpe_encode_lengths, "text"_a, "The ids of a text, and the bytes that each stands for.")
      .def("sample", &bpe_sample, "text"_a, "dropout"_a, "seed"_a, "The ids of a text with BPE-dropout.");
}

}  // namespace idiolect
