// SPDX-License-Identifier: MIT
// What somebody may have meant.
#include <vmstream/text.h>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

namespace vmstream {
namespace {

// A stream may name 65536 devices with 255 letters each.
constexpr size_t kLetters = 64;
constexpr size_t kMostCompared = 1u << 14;
constexpr size_t kMostNames = 3;
constexpr size_t kLeastPart = 3;  // letters that tell something where they stand within a name

std::string simplified(std::string_view text) {
  std::string simple(text.substr(0, kLetters));
  for (char& letter : simple) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return simple;
}

// Damerau's, of neighbours.
size_t edit_distance(std::string_view one, std::string_view other) {
  std::vector<size_t> before_last(other.size() + 1);
  std::vector<size_t> last(other.size() + 1);
  std::vector<size_t> row(other.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= one.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= other.size(); ++j) {
      size_t changed = last[j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
      bool swapped = i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[other.size()];
}

struct Candidate {
  std::string name;
  bool holds_it = false;
  size_t distance = 0;
};

std::vector<Candidate> ranked(std::string_view wanted, std::vector<std::string> names) {
  std::string simple = simplified(wanted);
  if (names.size() > kMostCompared) names.resize(kMostCompared);
  std::vector<Candidate> candidates;
  candidates.reserve(names.size());
  for (std::string& name : names) {
    std::string other = simplified(name);
    bool holds_it = simple.size() >= kLeastPart && other.find(simple) != std::string::npos;
    candidates.push_back({std::move(name), holds_it, edit_distance(simple, other)});
  }
  std::ranges::stable_sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.holds_it != b.holds_it ? a.holds_it : a.distance < b.distance;
  });
  return candidates;
}

}  // namespace

std::vector<std::string> by_distance(std::string_view wanted, std::vector<std::string> names) {
  std::vector<std::string> sorted;
  auto candidates = ranked(wanted, std::move(names));
  sorted.reserve(candidates.size());
  for (Candidate& candidate : candidates) {
    sorted.push_back(std::move(candidate.name));
  }
  return sorted;
}

std::string did_you_mean(std::string_view wanted, std::vector<std::string> names) {
  auto candidates = ranked(wanted, std::move(names));
  if (candidates.empty()) return {};
  // One letter in four may be wrong, and no more than one more than in the nearest.
  size_t farthest =
      std::min(1 + std::min(wanted.size(), kLetters) / 4, candidates.front().distance + 1);
  std::string list;
  size_t count = 0;
  for (const Candidate& candidate : candidates) {
    bool is_near = candidate.holds_it || candidate.distance <= farthest;
    if (!is_near || count++ == kMostNames) break;
    list += fmt::format("{}'{}'", list.empty() ? "" : " or ", escape(candidate.name));
  }
  return list.empty() ? "" : fmt::format("did you mean {}?", list);
}

}  // namespace vmstream
