// Work shared among threads: how many there are, and a loop over independent pieces.
//
// A piece is taken when a thread is free, so pieces may differ in size; results must not depend on which thread took
// which. An exception in any piece stops the others at their next piece and is thrown to the caller.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace idiolect {

/// `asked`, or as many threads as this process may use where it is 0; at least one.
std::size_t thread_count(std::size_t asked);

/// Calls work(piece, thread) for each piece in [0, pieces), on up to `threads` threads, of which the caller's is one.
template <class Work>
void parallel_for(std::size_t pieces, std::size_t threads, Work&& work) {
  threads = std::min(thread_count(threads), std::max<std::size_t>(pieces, 1));
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex guard;
  auto run = [&](std::size_t thread) {
    try {
      for (std::size_t piece = next++; piece < pieces && !failed; piece = next++) work(piece, thread);
    } catch (...) {
      std::lock_guard lock(guard);
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
    run(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace idiolect
