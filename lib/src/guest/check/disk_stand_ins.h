// SPDX-License-Identifier: MIT
// Disks without content in place of a guest's own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "guest/mapped/qemu_options.h"

namespace vmstream {

/// Replaces the disks of one command line. No image is opened by QEMU: neither locks nor contents
/// are touched. Sizes are read here, of raw and qcow2 images.
class DiskStandIns {
 public:
  /// Looks at all -blockdev of the command line, which name each other.
  explicit DiskStandIns(const std::vector<QemuOption>& options);

  /// -drive and what is short for it: -hda, -cdrom, -pflash and their like, an image alone.
  Result<QemuOption> replace_drive(const QemuOption& option);
  Result<QemuOption> replace_node(const QemuOption& option);

  /// Disks whose size is not known, in words.
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  struct Node {
    std::string driver;
    std::string file;  // a node's name
    std::string path;
  };

  Node read_node(const OptionValue& value) const;
  Result<uint64_t> size_of(const std::string& path, const std::string& format);

  std::map<std::string, Node> nodes_;
  std::vector<std::string> unknown_;
};

/// The option that `option` is short for, such as -drive of -hda; empty where it is none of these.
std::optional<OptionValue> long_form_of_drive(const QemuOption& option);

}  // namespace vmstream
