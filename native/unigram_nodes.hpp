// A lattice of nodes, in which single paths are followed as SentencePiece follows them: the best, and the two best.
//
// It serves where few lattices are looked at, and each is small: those of the pieces themselves. Of equal paths the same one
// is found as there, so nodes must come in the order of their beginnings.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "unigram_lattice.hpp"

namespace idiolect {

class Nodes {
 public:
  struct Node {
    std::uint32_t piece, begin, end;
    float score, best;         // `best`: of the path up to and with this node
    std::uint32_t before;      // the node before it on that path
    std::uint32_t next_there;  // the next node that ends at the same place
  };
  static constexpr std::uint32_t kStart = 0, kNowhere = 0xFFFFFFFF;

  void clear(std::uint32_t length) {
    nodes_.assign(1, {kUnknownEdge, 0, 0, 0.0f, 0.0f, kNowhere, kNowhere});
    first_ending_.assign(length + 1, kNowhere);
    last_ending_.assign(length + 1, kNowhere);
    first_ending_[0] = last_ending_[0] = kStart;
    length_ = length;
  }
  void add(std::uint32_t piece, std::uint32_t begin, std::uint32_t end, float score) {
    const auto number = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({piece, begin, end, score, 0.0f, kNowhere, kNowhere});
    (first_ending_[end] == kNowhere ? first_ending_[end] : nodes_[last_ending_[end]].next_there) = number;
    last_ending_[end] = number;
  }

  /// The best path by Viterbi: of equal ones the first, as SentencePiece takes it. Nodes must have come by their beginnings.
  void best_paths() {
    for (std::uint32_t number = 1; number < nodes_.size(); ++number) lead_to(nodes_[number]);
    end_ = {kUnknownEdge, length_, length_, 0.0f, 0.0f, kNowhere, kNowhere};
    lead_to(end_);
  }
  float best_score() const { return end_.best; }

  /// The two best paths, by A* from the end with the Viterbi scores as exact estimates; the second may be empty.
  void two_best(std::vector<std::uint32_t>& first, std::vector<std::uint32_t>& second) {
    best_paths();
    first.clear();
    second.clear();
    hypotheses_.assign(1, {kNowhere, kNowhere, end_.best, 0.0f});
    agenda_.assign(1, 0);
    auto worse = [this](std::uint32_t one, std::uint32_t other) { return hypotheses_[one].estimate < hypotheses_[other].estimate; };
    int found = 0;
    while (!agenda_.empty()) {
      const std::uint32_t top = agenda_.front();
      std::pop_heap(agenda_.begin(), agenda_.end(), worse);
      agenda_.pop_back();
      if (hypotheses_[top].node == kStart) {
        std::vector<std::uint32_t>& path = found == 0 ? first : second;
        for (std::uint32_t at = hypotheses_[top].next; hypotheses_[at].next != kNowhere; at = hypotheses_[at].next)
          path.push_back(nodes_[hypotheses_[at].node].piece);
        if (++found == 2) return;
        continue;
      }
      const std::uint32_t begin = hypotheses_[top].node == kNowhere ? length_ : nodes_[hypotheses_[top].node].begin;
      for (std::uint32_t left = first_ending_[begin]; left != kNowhere; left = nodes_[left].next_there) {
        const float behind = hypotheses_[top].behind;
        hypotheses_.push_back({left, top, nodes_[left].best + behind, nodes_[left].score + behind});
        agenda_.push_back(static_cast<std::uint32_t>(hypotheses_.size() - 1));
        std::push_heap(agenda_.begin(), agenda_.end(), worse);
      }
    }
  }

  std::vector<Node>& nodes() { return nodes_; }

 private:
  struct Hypothesis {
    std::uint32_t node, next;
    float estimate, behind;  // `behind`: the score of the path from this node to the end
  };
  void lead_to(Node& node) const {
    bool any = false;
    for (std::uint32_t left = first_ending_[node.begin]; left != kNowhere; left = nodes_[left].next_there) {
      const float score = nodes_[left].best + node.score;
      if (!any || score > node.best) {
        node.best = score;
        node.before = left;
        any = true;
      }
    }
  }
  std::vector<Node> nodes_;
  Node end_{};
  std::vector<std::uint32_t> first_ending_, last_ending_;
  std::uint32_t length_ = 0;
  std::vector<Hypothesis> hypotheses_;
  std::vector<std::uint32_t> agenda_;
};

}  // namespace idiolect
