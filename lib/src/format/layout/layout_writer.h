// SPDX-License-Identifier: MIT
// Descriptions of bytes that no stream describes, made from what is known of their form.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/vmdesc.h>

namespace vmstream {

/// Lays out bytes from front to back, in the terms of a vmdesc, so that the interpreter of devices
/// reads them like everything else. Values are read on the way, as later counts depend on them.
/// The first step that needs more bytes than are left fails the layout; those behind it do nothing.
class LayoutWriter {
 public:
  explicit LayoutWriter(std::span<const std::byte> bytes) : bytes_(bytes) {
    levels_.emplace_back();
  }

  /// One number of a type whose width is known ("uint16", "le32"); its value, 0 after a failure.
  uint64_t number(std::string_view name, std::string_view type);
  /// `count` of them; no field where that is 0. A "bool" that is neither 0 nor 1 fails the layout.
  void array(std::string_view name, std::string_view type, uint64_t count);
  /// Bytes of a type that is known by its name only; no field where there are none.
  void bytes(std::string_view name, uint64_t size, std::string_view type = "buffer");

  /// What comes up to close() belongs to a struct.
  void open(std::string_view name) { open_array(name, 1); }
  /// What comes up to close() describes one of `count` equal elements, 1 or more.
  void open_array(std::string_view name, uint64_t count);
  /// Steps into the subsection `name`, up to close(). False, and nothing happens, where the next
  /// bytes are not its header.
  bool open_subsection(std::string_view name);
  /// The name of the subsection whose header stands `skip` bytes from here; empty if none does.
  std::string_view subsection_at(uint64_t skip = 0) const;
  /// Bytes up to the first header of a subsection whose name begins with `prefix`, or to the end.
  uint64_t distance_to_subsection(std::string_view prefix) const;
  void close();

  uint64_t left() const { return ok_ ? bytes_.size() - pos_ : 0; }
  std::span<const std::byte> rest() const { return bytes_.subspan(pos_); }
  void fail() { ok_ = false; }
  bool ok() const { return ok_; }
  /// Everything is laid out, and nothing is left open.
  bool complete() const { return ok_ && pos_ == bytes_.size() && levels_.size() == 1; }

  /// The layout as a field of the given name and type. Call once.
  VmdescField take(std::string_view name, std::string_view type);

 private:
  struct Level {
    std::string name = {};
    uint64_t start = 0;
    uint64_t count = 1;
    bool is_subsection = false;
    uint64_t version = 0;
    std::vector<VmdescField> fields = {};
    std::vector<VmdescSubsection> subsections = {};
  };
  // Layouts of real devices take some hundreds; hostile bytes could ask for any number.
  static constexpr uint64_t kMostSteps = 1u << 16;
  bool step(uint64_t count, uint64_t size);
  bool truths_hold(const Level& level, uint64_t size) const;

  std::span<const std::byte> bytes_;
  uint64_t pos_ = 0;
  uint64_t steps_ = 0;
  bool ok_ = true;
  std::vector<Level> levels_;
};

}  // namespace vmstream
