// Memory for large tables: in huge pages where the system has them.
//
// A table of megabytes that is looked up all over costs a miss of the address cache for every look-up in small pages, and a
// fault for each page it touches first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace idiolect {

constexpr std::size_t kHugePage = 2 << 20;

/// Asks for huge pages in what lies whole between these addresses; it may be nothing.
inline void ask_for_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef __linux__
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const auto first = (begin + kHugePage - 1) / kHugePage * kHugePage, last = (begin + bytes) / kHugePage * kHugePage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

/// An allocator for the elements of large tables, which begin at a huge page where they are as long as one.
template <class T>
struct PageAllocator {
  using value_type = T;

  PageAllocator() = default;
  template <class Other>
  PageAllocator(const PageAllocator<Other>&) {}  // NOLINT: an allocator converts

  T* allocate(std::size_t count) {
    if (count > PTRDIFF_MAX / 2 / sizeof(T)) throw std::bad_alloc();
    const std::size_t align = count * sizeof(T) >= kHugePage ? kHugePage : 64;
    const std::size_t bytes = (count * sizeof(T) + align - 1) / align * align;
    void* memory = std::aligned_alloc(align, bytes);
    if (!memory) throw std::bad_alloc();
    if (align == kHugePage) ask_for_huge_pages(memory, bytes);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }
  bool operator==(const PageAllocator&) const { return true; }
};

template <class T>
using Table = std::vector<T, PageAllocator<T>>;

}  // namespace idiolect
