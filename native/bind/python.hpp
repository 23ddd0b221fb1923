// What the bindings share: Python's texts and arrays as the core takes them, and back.
//
// This folder alone is aware of Python. Each binding is a few lines without logic of its own: it takes the arguments out
// of Python, lets go of the global lock while the core works, and hands the result back. What the core throws as
// std::invalid_argument is a ValueError with the same sentence. The stub for type checkers is `src/idiolect/_native.pyi`.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../ids.hpp"

namespace nb = nanobind;

namespace idiolect {

// The rooms of the module, each in the file of its name.
void bind_text(nb::module_& module);
void bind_bpe(nb::module_& module);
void bind_learning(nb::module_& module);
void bind_unigram(nb::module_& module);
void bind_embed(nb::module_& module);
void bind_cooccurrence(nb::module_& module);

inline std::string_view view(const nb::bytes& text) { return {text.c_str(), text.size()}; }

using IdArray = nb::ndarray<nb::numpy, std::uint32_t, nb::ndim<1>>;
using PlaceArray = nb::ndarray<nb::numpy, std::int64_t, nb::ndim<1>>;
template <class Number>
using Given = nb::ndarray<const Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

template <class Array>
auto span_of(const Array& numbers) {
  return std::span(numbers.data(), numbers.size());
}

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

inline IdArray to_numpy(Ids ids) {
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
inline nb::list id_list(std::span<const std::uint32_t> ids, const nb::list& numbers) {
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

inline std::vector<std::string> strings(const nb::list& list) {
  std::vector<std::string> strings;
  strings.reserve(list.size());
  for (nb::handle one : list) strings.emplace_back(view(nb::cast<nb::bytes>(one)));
  return strings;
}

/// The vectors of the words [first, last) of a model, copied.
template <class Model>
nb::object vectors_of(const Model& model, std::size_t dim, std::size_t first, std::size_t last) {
  if (first > last || last > model.words) throw nb::index_error("words");
  auto* numbers = new std::vector<float>((last - first) * dim);
  nb::capsule owner(numbers, [](void* memory) noexcept { delete static_cast<std::vector<float>*>(memory); });
  {
    nb::gil_scoped_release released;
    model.vectors(first, last, numbers->data());
  }
  return nb::cast(Matrix(numbers->data(), {last - first, dim}, owner));
}

}  // namespace idiolect
