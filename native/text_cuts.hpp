// Where a long text may be cut so that its pieces, encoded one by one, have the ids of the whole.
//
// A place qualifies when every pattern surely ends a word there and decides the words before it without looking further:
// between a letter and a space, a newline, or a Chinese or Japanese full stop or comma. In a text without words (one
// pattern `none`) only a space mark ▁ of SentencePiece may qualify. Cost: a search reads the text from where it begins
// to the place it finds.
#pragma once

#include <cstddef>
#include <string_view>

#include "split.hpp"

namespace idiolect {

/// The first place to cut at or behind `from`; the text's end where there is none.
///
/// With `marks`, a word may begin at every space mark that does not follow another (see BpeModel::cuts_before_marks).
std::size_t next_cut(Pattern pattern, bool marks, std::string_view text, std::size_t from);

/// The next space mark behind `from` that does not follow another; the text's end where there is none.
std::size_t next_mark(std::string_view text, std::size_t from);

/// The place of the first byte that is not UTF-8, or std::string_view::npos.
std::size_t first_fault(std::string_view text);

}  // namespace idiolect
