// SPDX-License-Identifier: MIT
// Looking up and telling; the messages themselves are in head_messages.cc, ram_messages.cc,
// section_messages.cc and field_messages.cc.
#include "analysis/explain/message_explainer.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>

namespace vmstream::analysis {

MessageExplainer::MessageExplainer(const LoadFindings& found, std::string_view message)
    : found_(found) {
  auto device = match_message("error while loading state for instance * of device '*'", message);
  if (device) {
    instance_ = parse_number((*device)[0]);
    idstr_ = (*device)[1];
  }
  unknown_subsection_ = message.find("No such file or directory") != std::string_view::npos;
}

bool MessageExplainer::is_meant(const KeptDevice& device) const {
  if (idstr_.empty()) return true;
  return device.header.idstr == idstr_ && (!instance_ || *instance_ == device.header.instance_id);
}

DeviceState MessageExplainer::decoded(const KeptDevice& device) const {
  const auto* described =
      found_.vmdesc ? found_.vmdesc->find(device.header.idstr, device.header.instance_id) : nullptr;
  if (described == nullptr || !device.kept || device.body.empty()) return {};
  return decode_device(*described, device.body, device.header.body_offset);
}

const RamBlock* MessageExplainer::find_block(const std::string& name) const {
  const auto& blocks = found_.summary.blocks;
  auto place = std::ranges::find_if(
      blocks, [&](const RamBlockSummary& summary) { return summary.block.name == name; });
  return place == blocks.end() ? nullptr : &place->block;
}

void MessageExplainer::say(std::optional<uint64_t> offset, std::string text) {
  constexpr size_t kMostPlaces = 64;
  auto same = [&](const Advice& advice) { return advice.offset == offset && advice.text == text; };
  if (advice_.size() < kMostPlaces && std::ranges::none_of(advice_, same)) {
    advice_.push_back({AdviceKind::Note, offset, std::move(text)});
  }
}

// QEMU gives up at the first damage. True if there is any.
bool MessageExplainer::say_damage() {
  if (!found_.gaps.empty()) {
    const StreamGap& gap = found_.gaps.front();
    say(gap.fault.offset.value_or(gap.from),
        fmt::format("The stream is damaged here: {}. The record begins at {:#x}, {} bytes from "
                    "there on make no sense.",
                    gap.fault.message, gap.from, gap.to - gap.from));
    return true;
  }
  if (!found_.fault) return false;
  bool cut = found_.fault->code == Errc::Truncated;
  say(found_.fault->offset,
      fmt::format("The stream is {} here: {}.", cut ? "cut" : "damaged", found_.fault->message));
  return true;
}

// Where a body and its description part.
void MessageExplainer::say_disagreement(const KeptDevice& device) {
  DeviceState state = decoded(device);
  if (state.problems.empty()) return;
  const Problem& first = state.problems.front();
  say(first.offset, fmt::format("The bytes from here on are not as described: {}.", first.message));
}

void MessageExplainer::say_first(PageKind kind, std::string_view text) {
  auto place = found_.pages.find(kind);
  if (place == found_.pages.end()) {
    not_found(advice_.size(), fmt::format("a page of kind {}", name_of(kind)));
    return;
  }
  say(place->second, fmt::format("{}.", text));
}

void MessageExplainer::say_iterable(const std::string& idstr, std::string_view text) {
  for (const auto& iterable : found_.summary.iterables) {
    if (iterable.start.idstr != idstr) continue;
    say(iterable.start.offset, fmt::format("{}: '{}' (id {}, version {}).", text, escape(idstr),
                                           iterable.start.section_id, iterable.start.version_id));
  }
}

// Unless something has been told since there were `told` places.
void MessageExplainer::not_found(size_t told, std::string_view what) {
  if (advice_.size() != told || say_damage()) return;
  say(std::nullopt, fmt::format("The message speaks of {}, which is not in this stream: it is of "
                                "another file, or of damage in front of it.",
                                what));
}

}  // namespace vmstream::analysis
