// SPDX-License-Identifier: MIT
#include "support/fake_qemu.h"

#include <set>
#include <string_view>

namespace testing {
namespace {

constexpr uint64_t kPage = 4096;

// A load ends where its input does, or where QEMU gives up.
struct Ended {};

class Load {
 public:
  Load(const FakeQemu& qemu, std::span<const std::byte> bytes) : qemu_(qemu), rest_(bytes) {}

  std::string run() {
    try {
      read_header();
      for (;;) read_record();
    } catch (Ended) {
      return harm_;
    }
  }

 private:
  [[noreturn]] void give_up() { throw Ended(); }
  [[noreturn]] void harmed(std::string what) {
    harm_ = std::move(what);
    throw Ended();
  }
  void want(bool condition) {
    if (!condition) give_up();
  }
  std::span<const std::byte> take(uint64_t count) {
    want(count <= rest_.size());
    auto bytes = rest_.first(static_cast<size_t>(count));
    rest_ = rest_.subspan(static_cast<size_t>(count));
    return bytes;
  }
  uint64_t number(int width) {
    uint64_t value = 0;
    for (std::byte byte : take(static_cast<uint64_t>(width))) {
      value = value << 8 | std::to_integer<uint64_t>(byte);
    }
    return value;
  }
  std::string text(uint64_t length) {
    auto bytes = take(length);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string counted() { return text(number(1)); }

  void read_header();
  bool read_subsection();
  void read_record();
  void read_command();
  void read_start(uint64_t id, bool full);
  void read_early_device();
  void read_memory();
  void read_block_list(uint64_t total);
  void read_page(uint64_t flags);
  void read_footer(uint64_t id) {
    if (qemu_.footers) want(number(1) == 0x7e && number(4) == id);
  }

  const FakeQemu& qemu_;
  std::span<const std::byte> rest_;
  std::string harm_;
  std::optional<uint64_t> ram_id_;
  std::set<uint64_t> early_ids_;
  std::map<std::string, uint64_t> blocks_;
  std::string last_block_;
};

void Load::read_header() {
  want(number(4) == 0x5145564d && number(4) == 3);
  if (!qemu_.configuration) return;
  want(number(1) == 7);
  want(text(number(4)).starts_with("pc-"));
  bool listed = false;
  while (rest_.size() >= 2 && rest_[0] == std::byte{5}) listed |= read_subsection();
  want(listed == qemu_.ignores_shared);
}

// Whether it lists the capability.
bool Load::read_subsection() {
  take(1);
  std::string name = counted();
  want(number(4) == 1);
  if (name == "configuration/target-page-bits") {
    want(number(4) == 12);
    return false;
  }
  if (name == "configuration/uuid") {
    take(16);
    return false;
  }
  want(name == "configuration/capabilities");
  uint64_t count = number(4);
  for (uint64_t i = 0; i < count; ++i) want(std::string(counted().c_str()) == "x-ignore-shared");
  return count > 0;
}

void Load::read_record() {
  uint64_t type = number(1);
  if (type == 0) harmed("the end of the stream");
  if (type == 8) return read_command();
  want(type >= 1 && type <= 4);
  uint64_t id = number(4);
  if (type == 1 || type == 4) return read_start(id, type == 4);
  // All handlers have id 0 until they are loaded, and the first in the list gets the part.
  if (id == 0 || early_ids_.contains(id)) harmed("a part of a device");
  want(ram_id_ == id);
  read_memory();
  read_footer(id);
}

// The opening of a return path, a ping, the start of the switchover.
void Load::read_command() {
  uint64_t command = number(2);
  uint64_t length = number(2);
  bool harmless = (command == 1 && length == 0) || (command == 2 && length == 4) ||
                  (command == 11 && length == 0);
  if (!qemu_.lenient || !harmless) harmed("a command");
  take(length);
}

// START and FULL are the same to QEMU.
void Load::read_start(uint64_t id, bool full) {
  std::string name = counted().c_str();  // as far as it is one to QEMU
  uint64_t instance = number(4);
  uint64_t version = number(4);
  if (full && qemu_.lenient && name.ends_with("/virtio-mem-device-early")) {
    want(instance == 0 && version == 1);
    early_ids_.insert(id);
    read_early_device();
  } else {
    if (name != "ram") harmed("section '" + name + "'");
    want(instance == 0 && version == 4);
    ram_id_ = id;
    read_memory();
  }
  read_footer(id);
}

void Load::read_early_device() {
  take(8);
  uint64_t region = number(8);
  uint64_t block = number(8);
  take(4 + 8);
  want(block != 0);
  uint64_t words = (region / block + 63) / 64;
  want(words <= rest_.size());
  take(8 * words);
}

void Load::read_memory() {
  for (;;) {
    uint64_t word = number(8);
    uint64_t flags = word & (kPage - 1);
    uint64_t kind = flags & ~uint64_t{0x20};
    if (kind == 0x10) return;
    if (kind == 0x200) continue;
    if (kind == 0x004) {
      read_block_list(word & ~(kPage - 1));
      continue;
    }
    want(kind == 0x002 || kind == 0x008 || kind == 0x040 || kind == 0x100);
    if ((flags & 0x20) == 0) last_block_ = counted();
    auto block = blocks_.find(last_block_);
    want(block != blocks_.end() && (word & ~(kPage - 1)) < block->second);
    read_page(kind);
  }
}

void Load::read_block_list(uint64_t total) {
  while (total > 0) {
    std::string name = counted();
    uint64_t length = number(8);
    want(length <= total);
    total -= length;
    blocks_[name] = length;
    if (qemu_.ignores_shared) number(8);
  }
}

void Load::read_page(uint64_t kind) {
  if (kind == 0x002) take(1);
  if (kind == 0x008) take(kPage);
  if (kind == 0x040) {
    want(number(1) == 1);
    uint64_t length = number(2);
    want(length <= kPage);
    take(length);
  }
  if (kind == 0x100) {
    uint64_t length = number(4);
    want(length <= 2 * kPage);
    take(length);
  }
}

}  // namespace

std::string FakeQemu::harm_of(std::span<const std::byte> bytes) const {
  return Load(*this, bytes).run();
}

std::string harm_of(std::span<const std::byte> bytes, bool lenient, bool asked) {
  for (bool footers : {false, true}) {
    for (bool configuration : {false, true}) {
      for (bool ignores_shared : {false, true}) {
        if (asked && ignores_shared) continue;
        FakeQemu qemu{footers, configuration, ignores_shared, lenient};
        if (std::string harm = qemu.harm_of(bytes); !harm.empty()) return harm;
      }
    }
  }
  return "";
}

}  // namespace testing
