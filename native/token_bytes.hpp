// Ids back to bytes: what every family of tokenizers shares, since a token always stands for the same bytes.
//
// Cost: one copy of the pieces; decoding is one copy of the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace idiolect {

class TokenBytes {
 public:
  /// `pieces`: what each id becomes, nothing for a special token.
  explicit TokenBytes(const std::vector<std::string>& pieces) {
    starts_.reserve(pieces.size() + 1);
    for (const std::string& piece : pieces) {
      bytes_ += piece;
      starts_.push_back(bytes_.size());
    }
  }

  /// How many bytes the ids become; throws std::invalid_argument for one that is not in the vocabulary.
  std::size_t size(std::span<const std::int64_t> ids) const {
    std::size_t size = 0;
    for (const std::int64_t id : ids) {
      if (id < 0 || static_cast<std::uint64_t>(id) + 1 >= starts_.size())
        throw std::invalid_argument("There is no token " + std::to_string(id) + ": this tokenizer has ids 0 to " +
                                    std::to_string(static_cast<std::int64_t>(starts_.size()) - 2) + ".");
      size += starts_[id + 1] - starts_[id];
    }
    return size;
  }

  /// Writes the bytes of ids that `size` has measured.
  void decode(std::span<const std::int64_t> ids, char* out) const {
    for (const std::int64_t id : ids) {
      const std::size_t size = starts_[id + 1] - starts_[id];
      std::memcpy(out, bytes_.data() + starts_[id], size);
      out += size;
    }
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> starts_{0};  // piece `id` lies from starts_[id] to starts_[id + 1]
};

}  // namespace idiolect
