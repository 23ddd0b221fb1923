// The tables behind unicode.hpp, generated.
#include "unicode.hpp"

namespace idiolect {

#include "unicode_tables.inc"

}  // namespace idiolect
