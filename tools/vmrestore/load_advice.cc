// SPDX-License-Identifier: MIT
#include "vmrestore/load_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <vector>

#include <vmstream/command.h>
#include <vmstream/load_advice.h>

namespace vmrestore {

using vmstream::Advice;
using vmstream::AdviceKind;

namespace {

constexpr size_t kMostLines = 3;
constexpr auto kPatience = std::chrono::seconds(3);

std::vector<Advice> of_kind(const std::vector<Advice>& advice, AdviceKind kind) {
  std::vector<Advice> found;
  std::ranges::copy_if(advice, std::back_inserter(found),
                       [kind](const Advice& one) { return one.kind == kind; });
  return found;
}

// What QEMU's words speak of says most, what every load meets says more than what one needs.
std::vector<Advice> most_telling(const vmstream::LoadAdviser& adviser,
                                 const std::vector<Advice>& advice, const std::string& refusal) {
  auto told = adviser.explain(refusal);
  if (told.empty()) told = of_kind(advice, AdviceKind::Fails);
  if (told.empty()) told = of_kind(advice, AdviceKind::Needs);
  if (told.size() > kMostLines) told.resize(kMostLines);
  return told;
}

// A list of many blocks or devices is cut between two of them.
std::string shortened(std::string text) {
  constexpr size_t kMost = 160;
  size_t comma = text.rfind(", ", kMost);
  if (text.size() > kMost && comma != std::string::npos) text.replace(comma, text.npos, ", ...");
  return text;
}

std::string first_sentence(const std::string& text) {
  return text.substr(0, std::min(text.find(". "), text.size() - (text.ends_with('.') ? 1 : 0)));
}

std::string line_of(const Advice& advice) {
  bool has_place = advice.offset && advice.kind != AdviceKind::Needs;
  std::string place = has_place ? fmt::format("offset {:#x}: ", *advice.offset) : "";
  return place + shortened(first_sentence(advice.text));
}

}  // namespace

void advise(vmtools::Session& session, const std::string& file, const Input& input,
            const std::string& refusal) {
  auto plain = input.open_again(session.limits(kPatience));
  if (!plain) return;
  vmstream::LoadAdviser adviser;
  auto scan = vmstream::scan_stream(*plain, adviser);
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) return;
  auto advice = adviser.finish(scan);
  for (const Advice& one : most_telling(adviser, advice, refusal)) {
    session.messages().note(file, line_of(one));
  }
  session.messages().note(
      file, fmt::format("all of it: vmstream-inspect explain {} --error \"QEMU'S WORDS\"",
                        vmstream::quote_for_shell(file)));
}

}  // namespace vmrestore
