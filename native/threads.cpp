#include "threads.hpp"

#ifdef __linux__
#include <sched.h>
#endif

namespace idiolect {

std::size_t thread_count(std::size_t asked) {
  if (asked > 0) return asked;
#ifdef __linux__
  cpu_set_t allowed;  // a container or taskset may leave fewer than the machine has
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace idiolect
