// SPDX-License-Identifier: MIT
// Every optional field is a decision. One walk makes those that it comes to, then the last that may
// still change is changed: a depth-first search that ends each branch at the first byte too many.
#include "format/device/declaration.h"

#include <algorithm>
#include <array>

#include "format/layout/known_layout.h"
#include "format/layout/layout_writer.h"

namespace vmstream {
namespace {

// Real declarations take some hundreds, mostly in one walk; hostile ones could ask for any number.
constexpr uint64_t kMostSteps = 1u << 19;

class Walk {
 public:
  explicit Walk(std::vector<bool>& decisions) : decisions_(decisions) {}

  void lay_out(LayoutWriter& out, const Declaration& declaration, uint64_t version);
  uint64_t steps() const { return steps_; }

 private:
  void lay_out_field(LayoutWriter& out, const DeclaredField& field);
  bool step(LayoutWriter& out);
  bool decide();

  std::vector<bool>& decisions_;
  size_t decided_ = 0;
  uint64_t steps_ = 0;
};

bool Walk::decide() {
  if (decided_ == decisions_.size()) decisions_.push_back(false);
  return decisions_[decided_++];
}

// False where the walk is over: bytes are missing, or it takes too long.
bool Walk::step(LayoutWriter& out) {
  if (++steps_ > kMostSteps) out.fail();
  return out.ok();
}

void Walk::lay_out(LayoutWriter& out, const Declaration& declaration, uint64_t version) {
  for (const DeclaredField& field : declaration.fields) {
    if (!step(out)) return;
    if (field.since_version <= version && (!field.optional || decide())) lay_out_field(out, field);
  }
  for (const Declaration& subsection : declaration.subsections) {
    if (!out.open_subsection(subsection.name)) continue;
    lay_out(out, subsection, subsection.version);
    out.close();
  }
}

// Sizes that no number has are those of a buffer. What has none is sent by code of its own: all
// that is left, where its name is that of a form that is known.
void lay_out_leaf(LayoutWriter& out, const DeclaredField& field) {
  constexpr std::array<std::string_view, 9> kNumbers = {"", "uint8", "uint16", "",      "uint32",
                                                        "", "",      "",       "uint64"};
  if (field.size == 0 && has_known_layout(field.name)) {
    return out.bytes(field.name, out.left(), field.name);
  }
  if (field.size < kNumbers.size() && !kNumbers[field.size].empty()) {
    return out.array(field.name, kNumbers[field.size], field.count);
  }
  for (uint64_t i = 0; i < field.count && out.ok(); ++i) out.bytes(field.name, field.size);
}

void Walk::lay_out_field(LayoutWriter& out, const DeclaredField& field) {
  if (!field.is_struct) return lay_out_leaf(out, field);
  for (uint64_t i = 0; i < field.count && step(out); ++i) {
    out.open(field.name);
    lay_out(out, field.element, field.element.version);
    out.close();
  }
}

// The next set of decisions in order; false behind the last.
bool advance(std::vector<bool>& decisions) {
  while (!decisions.empty() && decisions.back()) decisions.pop_back();
  if (decisions.empty()) return false;
  decisions.back() = true;
  return true;
}

}  // namespace

DeclarationFit fit_declaration(const Declaration& declaration, uint64_t version,
                               std::span<const std::byte> bytes) {
  DeclarationFit fit;
  std::vector<bool> decisions;
  uint64_t steps = 0;
  do {
    LayoutWriter out(bytes);
    Walk walk(decisions);
    walk.lay_out(out, declaration, version);
    steps += walk.steps() + 1;
    fit.given_up = steps > kMostSteps;
    if (out.complete() && ++fit.ways == 1) fit.layout = out.take(declaration.name, "struct");
  } while (fit.ways < 2 && !fit.given_up && advance(decisions));
  return fit;
}

}  // namespace vmstream
