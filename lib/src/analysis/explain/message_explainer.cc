// SPDX-License-Identifier: MIT
// Looking up and telling; the messages themselves are in the other files of this folder.
#include "analysis/explain/message_explainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include <vmstream/text.h>

namespace vmstream {

MessageExplainer::MessageExplainer(const LoadFindings& found) : found_(found) {
  for (const StreamGap& gap : found.gaps) {
    damage_.push_back(
        {gap.fault.offset.value_or(gap.from), gap.from, gap.to, false, gap.fault.message});
  }
  if (!found.fault) return;
  uint64_t at = found.fault->offset.value_or(0);
  damage_.push_back(
      {at, at, std::nullopt, found.fault->code == Errc::Truncated, found.fault->message});
}

void MessageExplainer::begin(FailedSection failed) {
  failed_ = std::move(failed);
  told_before_ = told_.size();
  has_told_ = false;
  missed_.clear();
  reason_.clear();
}

// QEMU gives up at the first damage: where its words lead nowhere, that is the place.
void MessageExplainer::end() {
  if (!has_told_ && !damage_.empty()) say_damage(damage_.front());
  if (!has_told_ && missed_.empty() && !reason_.empty()) missed_.push_back(reason_);
  if (!has_told_) {
    for (std::string& text : missed_) say(std::nullopt, std::move(text));
  }
  narrow();
}

// A field that holds another one that was told of only says where that one is.
void MessageExplainer::narrow() {
  std::span load(told_.begin() + static_cast<ptrdiff_t>(told_before_), told_.end());
  for (Told& wide : load) {
    bool holds = std::ranges::any_of(load, [&](const Told& other) {
      return other.advice.offset && wide.advice.offset && other.closeness == Closeness::Exact &&
             other.length < wide.length && *other.advice.offset >= *wide.advice.offset &&
             *other.advice.offset - *wide.advice.offset < wide.length;
    });
    if (holds) wide.closeness = Closeness::Around;
  }
}

std::vector<Advice> MessageExplainer::take() {
  std::ranges::stable_sort(told_, {}, &Told::closeness);
  std::vector<Advice> advice;
  for (Told& told : told_) advice.push_back(std::move(told.advice));
  told_.clear();
  return advice;
}

bool MessageExplainer::is_meant(const KeptDevice& device) const {
  if (failed_.section_id) return device.header.section_id == *failed_.section_id;
  if (failed_.idstr.empty()) return true;
  return prints_as(device.header.idstr, failed_.idstr) &&
         (!failed_.instance || *failed_.instance == device.header.instance_id);
}

const VmdescDevice* MessageExplainer::described(const KeptDevice& device) const {
  if (!found_.vmdesc) return nullptr;
  return found_.vmdesc->find(device.header.idstr, device.header.instance_id);
}

DeviceState MessageExplainer::decoded(const KeptDevice& device) const {
  const auto* description = described(device);
  if (description == nullptr || !device.kept || device.body.empty()) return {};
  return decode_device(*description, device.body, device.header.body_offset);
}

const RamBlock* MessageExplainer::find_block(const std::string& name) const {
  const auto& blocks = found_.summary.blocks;
  auto place = std::ranges::find_if(
      blocks, [&](const RamBlockSummary& summary) { return prints_as(summary.block.name, name); });
  return place == blocks.end() ? nullptr : &place->block;
}

// The first whose message begins with `front` and has `words` in it.
const MessageExplainer::Damage* MessageExplainer::find_damage(std::string_view front,
                                                              std::string_view words) const {
  auto place = std::ranges::find_if(damage_, [&](const Damage& damage) {
    return damage.message.starts_with(front) && damage.message.find(words) != std::string::npos;
  });
  return place == damage_.end() ? nullptr : &*place;
}

void MessageExplainer::tell(Told told) {
  constexpr size_t kMostPlaces = 64;
  has_told_ = true;
  auto same = [&](const Told& other) {
    return other.advice.offset == told.advice.offset && other.advice.text == told.advice.text;
  };
  if (told_.size() < kMostPlaces && std::ranges::none_of(told_, same)) {
    told_.push_back(std::move(told));
  }
}

void MessageExplainer::say(std::optional<uint64_t> offset, std::string text, uint64_t length) {
  tell({Closeness::Exact, length, {AdviceKind::Note, offset, std::move(text)}});
}

void MessageExplainer::say_around(std::optional<uint64_t> offset, std::string text) {
  tell({Closeness::Around, 0, {AdviceKind::Note, offset, std::move(text)}});
}

void MessageExplainer::miss(std::string text) {
  missed_.push_back(std::move(text));
}

void MessageExplainer::miss_thing(std::string_view thing) {
  miss(fmt::format("The message speaks of {}, which is not in this stream: it is of another file.",
                   thing));
}

void MessageExplainer::say_damage(const Damage& damage) {
  if (damage.to) {
    say(damage.at,
        fmt::format("The stream is damaged here: {}. The record begins at {:#x}, {} bytes from "
                    "there on make no sense.",
                    damage.message, damage.from, *damage.to - damage.from));
  } else {
    say(damage.at,
        fmt::format("The stream is {} here: {}.", damage.cut ? "cut" : "damaged", damage.message));
  }
}

bool MessageExplainer::say_damage(const Damage* damage) {
  if (damage != nullptr) say_damage(*damage);
  return damage != nullptr;
}

// The damage that has `words` in its message, or the first within the RAM.
bool MessageExplainer::say_ram_damage(std::string_view words) {
  constexpr std::string_view kRam = "section 'ram' ";
  return say_damage(find_damage(kRam, words)) || say_damage(find_damage(kRam));
}

bool MessageExplainer::say_cut() {
  auto cut = std::ranges::find_if(damage_, &Damage::cut);
  if (cut != damage_.end()) say_damage(*cut);
  return cut != damage_.end();
}

// Whether a place itself was told of, not only what is around it.
bool MessageExplainer::has_place() const {
  return std::any_of(told_.begin() + static_cast<ptrdiff_t>(told_before_), told_.end(),
                     [](const Told& told) { return told.closeness == Closeness::Exact; });
}

// Where a body and its description part.
bool MessageExplainer::say_disagreement(const KeptDevice& device) {
  DeviceState state = decoded(device);
  if (state.problems.empty()) return false;
  const Problem& first = state.problems.front();
  say(first.offset, fmt::format("The bytes from here on are not as described: {}.", first.message));
  return true;
}

void MessageExplainer::say_first(PageKind kind, std::string_view text) {
  auto place = found_.pages.find(kind);
  if (place == found_.pages.end()) {
    miss_thing(fmt::format("a page of kind {}", name_of(kind)));
    return;
  }
  say(place->second, fmt::format("{}.", text));
}

void MessageExplainer::say_iterable(const std::string& idstr, std::string_view text) {
  for (const auto& iterable : found_.summary.iterables) {
    if (!prints_as(iterable.start.idstr, idstr)) continue;
    say_around(iterable.start.offset,
               fmt::format("{}: '{}' (id {}, version {}).", text, escape(iterable.start.idstr),
                           iterable.start.section_id, iterable.start.version_id));
  }
}

}  // namespace vmstream
