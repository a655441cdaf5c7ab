// SPDX-License-Identifier: MIT
#include "analysis/registers/register_list.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>

namespace vmstream {
namespace {

bool is_number(ValueKind kind) {
  return kind == ValueKind::Unsigned || kind == ValueKind::Signed || kind == ValueKind::Boolean ||
         kind == ValueKind::Real || kind == ValueKind::Timer;
}

uint64_t number_of(const DeviceField& field) {
  uint64_t value = 0;
  for (std::byte byte : field.bytes.first(std::min<size_t>(8, field.bytes.size()))) {
    value = value << 8 | std::to_integer<uint64_t>(byte);
  }
  return field.kind == ValueKind::Unsigned ? field.as_unsigned() : value;
}

// Types of which the description gives the length only, of up to eight bytes: a number in stream
// order ("cpsr", "fpscr", "fpr").
bool is_closed_number(const DeviceField& field) {
  return field.kind == ValueKind::Bytes && !field.bytes.empty() && field.bytes.size() <= 8;
}

void add_words(std::vector<uint64_t>& words, const DeviceField& field) {
  constexpr size_t kMostWords = 64;  // a vector register has 32 at most
  if (words.size() >= kMostWords) return;
  if (field.is_composite()) {
    for (const auto& inner : field.fields) add_words(words, inner);
    return;
  }
  uint64_t elements = field.array_len.value_or(1);
  for (uint64_t i = 0; i < elements && words.size() < kMostWords; ++i) {
    DeviceField element = field.array_len ? field.element(i) : field;
    if (is_number(element.kind) || is_closed_number(element)) words.push_back(number_of(element));
  }
}

std::string plain_name(std::string_view name) {
  constexpr std::string_view kState = "env.";
  if (name.starts_with(kState)) name.remove_prefix(kState.size());
  return escape(name);
}

}  // namespace

std::vector<uint64_t> words_of(const DeviceField& field) {
  std::vector<uint64_t> words;
  add_words(words, field);
  return words;
}

CpuRegister* RegisterList::add_value(CpuRegister made) {
  if (made.words.empty()) return nullptr;
  registers_.push_back(std::move(made));
  return &registers_.back();
}

std::optional<DeviceField> RegisterList::find(std::string_view path) const {
  if (auto found = find_field(state_, path).field) return found;
  for (const auto& subsection : state_.subsections) {
    if (auto found = find_field(state_, fmt::format("{}.{}", subsection.name, path)).field) {
      return found;
    }
  }
  return std::nullopt;
}

CpuRegister* RegisterList::add(RegisterGroup group, std::string_view name, std::string_view path) {
  auto found = find(path);
  if (!found) return nullptr;
  taken_.insert(found->offset);
  return add_value({.name = std::string(name),
                    .group = group,
                    .bits = static_cast<uint32_t>(8 * std::min<uint64_t>(found->size(), 512)),
                    .words = words_of(*found),
                    .offset = found->offset});
}

CpuRegister* RegisterList::add_known(RegisterGroup group, std::string_view name) {
  auto path = register_path(state_, name);
  return path ? add(group, name, *path) : nullptr;
}

void RegisterList::add_all(RegisterGroup group, std::span<const RegisterPlace> places) {
  for (const RegisterPlace& place : places) add(group, place.name, place.path);
}

void RegisterList::explain(std::string (*meaning_of)(std::string_view name, uint64_t value)) {
  for (CpuRegister& one : registers_) {
    if (one.meaning.empty()) one.meaning = meaning_of(one.name, one.value());
  }
}

void RegisterList::add_rest() {
  add_rest_of(state_.fields, state_.subsections);
}

void RegisterList::add_rest_of(const std::vector<DeviceField>& fields,
                               const std::vector<DeviceSubsection>& subsections) {
  for (const auto& field : fields) add_numbers(field, plain_name(field.name));
  for (const auto& subsection : subsections) {
    add_rest_of(subsection.fields, subsection.subsections);
  }
}

void RegisterList::add_numbers(const DeviceField& field, const std::string& name) {
  if (field.is_composite()) {
    for (const auto& inner : field.fields) {
      add_numbers(inner, inner.index ? fmt::format("{}[{}]", name, *inner.index)
                                     : fmt::format("{}.{}", name, plain_name(inner.name)));
    }
    return;
  }
  uint64_t elements = field.array_len.value_or(1);
  for (uint64_t i = 0; i < elements; ++i) {
    DeviceField element = field.array_len ? field.element(i) : field;
    auto words = words_of(element);
    bool is_dull = field.array_len && std::ranges::all_of(words, [](uint64_t w) { return w == 0; });
    if (words.empty() || is_dull || taken_.contains(element.offset)) continue;
    add_value({.name = field.array_len ? fmt::format("{}[{}]", name, i) : name,
               .group = RegisterGroup::Other,
               .bits = static_cast<uint32_t>(8 * element.size()),
               .words = std::move(words),
               .offset = element.offset});
  }
}

}  // namespace vmstream
