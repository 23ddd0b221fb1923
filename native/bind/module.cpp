// The module `idiolect._native`.
#include "python.hpp"

NB_MODULE(_native, module) {
  module.doc() = "The native core of idiolect: tokenizers and word vectors.";
  nb::set_leak_warnings(false);  // a tokenizer in a module's globals outlives the interpreter, and may
  idiolect::bind_text(module);
  idiolect::bind_bpe(module);
  idiolect::bind_learning(module);
  idiolect::bind_unigram(module);
  idiolect::bind_embed(module);
  idiolect::bind_cooccurrence(module);
}
