// The module `idiolect._native`: the one file of the native core that is aware of Python.
//
// Each binding is a few lines without logic of its own: it takes the arguments out of Python, lets go of the global lock
// while the core works, and hands the result back. What the core throws as std::invalid_argument is a ValueError with
// the same sentence. The stub for type checkers is `src/idiolect/_native.pyi`.
#include <nanobind/nanobind.h>

#include "threads.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace idiolect;

NB_MODULE(_native, module) {
  module.doc() = "The native core of idiolect: tokenizers.";

  // threads
  module.def("thread_count", &thread_count, "asked"_a = 0,
             "How many threads the core uses when asked for `asked`; 0: as many as this process may.");
}
