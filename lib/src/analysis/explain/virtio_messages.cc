// SPDX-License-Identifier: MIT
// Messages about virtio devices, whose fields no description names: they stand in a layout of ours.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/explain/message_explainer.h"
#include "format/layout/virtio_subsections.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

const DeviceField* find_virtio(const DeviceState& state) {
  auto place = std::ranges::find(state.fields, "virtio", &DeviceField::type);
  return place == state.fields.end() ? nullptr : &*place;
}

const DeviceField* child(const DeviceField* parent, std::string_view name) {
  if (parent == nullptr) return nullptr;
  auto place = std::ranges::find(parent->fields, name, &DeviceField::name);
  return place == parent->fields.end() ? nullptr : &*place;
}

struct Queue {
  const DeviceField* num = nullptr;
  const DeviceField* desc = nullptr;
  const DeviceField* last_avail_idx = nullptr;
};

std::optional<Queue> find_queue(const DeviceState& state, uint64_t number) {
  const DeviceField* virtio = find_virtio(state);
  const DeviceField* queues = child(virtio, "queues");
  if (queues == nullptr) return std::nullopt;
  const DeviceField* found = queues;  // where there is one only
  if (queues->kind == ValueKind::List) {
    auto place = std::ranges::find_if(
        queues->fields, [&](const DeviceField& element) { return element.index == number; });
    if (place == queues->fields.end()) return std::nullopt;
    found = &*place;
  } else if (number != 0) {
    return std::nullopt;
  }
  Queue queue{child(found, "num"), child(found, "desc"), child(found, "last_avail_idx")};
  if (queue.num && queue.desc && queue.last_avail_idx) return queue;
  return std::nullopt;
}

// Where be32 `value` stands within a field whose inside could not be laid out.
std::optional<uint64_t> find_number(const DeviceField& field, uint32_t value) {
  constexpr size_t kBytes = 4;
  std::array<std::byte, kBytes> wanted{};
  for (size_t i = 0; i < kBytes; ++i) wanted[i] = static_cast<std::byte>(value >> (24 - 8 * i));
  auto place = std::search(field.bytes.begin(), field.bytes.end(), wanted.begin(), wanted.end());
  if (place == field.bytes.end()) return std::nullopt;
  return field.offset + static_cast<uint64_t>(place - field.bytes.begin());
}

}  // namespace

// No description names the subsections of `virtio`: the first without its mark, or with a name that
// is none.
bool MessageExplainer::say_bad_subsection(const KeptDevice& device) {
  DeviceState state = decoded(device);
  const DeviceField* virtio = find_virtio(state);
  auto damaged = virtio ? find_damaged_subsection(*virtio) : std::nullopt;
  if (!damaged) return false;
  std::string fault = "which is a name that no release has";
  if (damaged->is_name) fault = fmt::format("but has version {:#x}", damaged->version);
  if (damaged->mark != 5) {
    fault = fmt::format("but its mark is {:#04x} instead of 0x05", damaged->mark);
  }
  say(damaged->offset,
      fmt::format("The subsection '{}' of the section '{}' begins here, {}: it is damaged.",
                  escape(damaged->name), escape(device.header.idstr), fault));
  return true;
}

// The place of a queue's last_avail_idx, in each device that has such a queue. `size` is empty
// where the message does not tell it.
void MessageExplainer::say_queue(std::string_view number, std::string_view size,
                                 std::string_view last_avail_idx) {
  auto queue_number = parse_number(number);
  auto queue_size = parse_number(size);
  auto index = parse_number(last_avail_idx);
  if (!queue_number || !index) return;
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    DeviceState state = decoded(device);
    auto queue = find_queue(state, *queue_number);
    if (!queue || queue->last_avail_idx->as_unsigned() != *index) continue;
    if (queue_size && queue->num->as_unsigned() != *queue_size) continue;
    if (queue_size.has_value() == (queue->desc->as_unsigned() == 0)) continue;
    say(queue->last_avail_idx->offset,
        fmt::format(
            "The last_avail_idx of virtqueue {} of the section '{}' stands here: {:#x}, of {} "
            "entries. {}",
            *queue_number, escape(device.header.idstr), *index, queue->num->as_unsigned(),
            queue_size ? fmt::format("It does not go with the queue's rings in the guest's memory, "
                                     "whose descriptors are at {:#x}: one of the two is damaged or "
                                     "of another moment.",
                                     queue->desc->as_unsigned())
                       : "The queue has no rings, so that it would have to be 0."),
        queue->last_avail_idx->size());
  }
  miss_thing(fmt::format("virtqueue {} with a last_avail_idx of {}", escape(number),
                         escape(last_avail_idx)));
}

void MessageExplainer::queue_index(const Words& words) {
  say_queue(words[0], words[1], words[3]);
}

void MessageExplainer::queue_in_use(const Words& words) {
  say_queue(words[0], words[1], words[2]);
}

void MessageExplainer::queue_without_ring(const Words& words) {
  say_queue(words[0], {}, words[1]);
}

void MessageExplainer::queue_count(const Words& words) {
  auto count = parse_number32(words[0]);
  if (!count) return;
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    DeviceState state = decoded(device);
    const DeviceField* virtio = find_virtio(state);
    if (virtio == nullptr) continue;
    const DeviceField* told = child(virtio, "queue_count");
    std::optional<uint64_t> at;
    if (told == nullptr) {
      at = find_number(*virtio, *count);
    } else if (told->as_unsigned() == *count) {
      at = told->offset;
    }
    if (!at) continue;
    say(at,
        fmt::format("The number of virtqueues of the section '{}' stands here: {}. At most 1024 "
                    "are possible: it is damaged, or what stands in front of it is.",
                    escape(device.header.idstr), *count));
  }
  miss_thing(fmt::format("{} virtqueues", escape(words[0])));
}

// The low half stands in each device; all 64 bits in a subsection, which counts where it is there.
void MessageExplainer::virtio_features(const Words& words) {
  auto features = parse_number(words[0]);
  auto allowed = parse_number(words[1]);
  if (!features || !allowed) return;
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    DeviceState state = decoded(device);
    const DeviceField* virtio = find_virtio(state);
    if (virtio == nullptr) continue;
    const DeviceField* bits = child(virtio, "guest_features_lo");
    for (const DeviceSubsection& subsection : virtio->subsections) {
      if (subsection.name == "virtio/64bit_features" && !subsection.fields.empty()) {
        bits = &subsection.fields.front();
      }
    }
    if (bits == nullptr || bits->as_unsigned() != *features) continue;
    say(bits->offset,
        fmt::format("The features that the guest of the section '{}' uses stand here: {:#x}. The "
                    "destination's device does not have {:#x} of them: start it with the options "
                    "of the source.",
                    escape(device.header.idstr), *features, *features & ~*allowed),
        bits->size());
  }
  miss_thing(fmt::format("virtio features {}", escape(words[0])));
}

}  // namespace vmstream
