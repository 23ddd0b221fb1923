// Arrays of ids that grow without being filled first, and one that threads fill in order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <span>
#include <utility>
#include <vector>

#include "pages.hpp"

namespace idiolect {

/// Ids in one piece of memory, which `release` hands over without a copy.
class Ids {
 public:
  Ids() = default;
  Ids(Ids&& other) noexcept { *this = std::move(other); }
  Ids& operator=(Ids&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~Ids() { std::free(data_); }

  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::uint32_t* data() { return data_; }
  std::uint32_t* end() { return data_ + size_; }
  void clear() { size_ = 0; }
  /// Says how many ids there are now: what was written behind the old end counts.
  void resize(std::size_t size) { size_ = size; }

  /// Makes room for so many ids in all. What `realloc` moves it moves by pages, so growing costs no copies of large arrays.
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    capacity = std::max(capacity, capacity_ + capacity_ / 2);
    void* grown = capacity > SIZE_MAX / sizeof *data_ ? nullptr : std::realloc(data_, capacity * sizeof *data_);
    if (!grown) throw std::bad_alloc();
    data_ = static_cast<std::uint32_t*>(grown);
    capacity_ = capacity;
    ask_for_huge_pages(data_, capacity_ * sizeof *data_);
  }

  /// The memory, cut to size; the caller frees it with std::free. Never null.
  std::uint32_t* release() {
    if (void* cut = std::realloc(data_, std::max<std::size_t>(size_, 1) * sizeof *data_)) data_ = static_cast<std::uint32_t*>(cut);
    if (!data_) throw std::bad_alloc();
    size_ = capacity_ = 0;
    return std::exchange(data_, nullptr);
  }

 private:
  std::uint32_t* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

/// One array out of numbered parts that threads finish in any order.
///
/// A part is copied to its place as soon as all before it are known, by whichever thread makes them known. At most a few
/// parts wait, since parts are begun in order.
class OrderedIds {
 public:
  /// `expected` ids to begin with; `starts` gets the place of each document, as documents follow each other.
  OrderedIds(std::size_t expected, std::vector<std::int64_t>& starts) : starts_(starts) { ids_.reserve(expected); }

  /// Adds part `number`: its ids, and where in them documents begin. Gives back room for another part.
  Ids add(std::size_t number, Ids ids, std::vector<std::uint32_t> starts) {
    std::unique_lock lock(order_);
    waiting_.emplace(number, Part{std::move(ids), std::move(starts)});
    Ids spare;
    while (!waiting_.empty() && waiting_.begin()->first == next_) {
      Part part = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
      const std::size_t place = size_;
      size_ += part.ids.size();
      ++next_;
      for (std::uint32_t start : part.starts) starts_.push_back(static_cast<std::int64_t>(place + start));
      if (size_ > ids_.capacity()) {
        std::unique_lock nobody_copies(memory_);
        ids_.reserve(size_);
      }
      std::shared_lock copying(memory_);
      lock.unlock();
      std::copy_n(part.ids.data(), part.ids.size(), ids_.data() + place);
      copying.unlock();
      spare = std::move(part.ids);
      spare.clear();
      lock.lock();
    }
    return spare;
  }

  /// The whole, once all parts are there.
  Ids take() {
    ids_.resize(size_);
    return std::move(ids_);
  }

 private:
  struct Part {
    Ids ids;
    std::vector<std::uint32_t> starts;
  };
  std::mutex order_;          // guards everything but the copying
  std::shared_mutex memory_;  // shared while ids are copied, alone while the array moves
  std::map<std::size_t, Part> waiting_;
  std::size_t next_ = 0, size_ = 0;
  Ids ids_;
  std::vector<std::int64_t>& starts_;
};

}  // namespace idiolect
