// SPDX-License-Identifier: MIT
#include "guest/check/disk_stand_ins.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <vmstream/text.h>
#include "base/byte_reader.h"
#include "base/unique_fd.h"

namespace vmstream {
namespace {

constexpr uint64_t kAnySize = 1u << 30;
constexpr uint64_t kSector = 512;
constexpr size_t kQcow2SizeAt = 24;
constexpr std::string_view kQcow2 = "QFI\373";

struct ShortDrive {
  std::string_view name;
  std::string_view place;
};
constexpr ShortDrive kShortDrives[] = {
    {"", "media=disk,index=0"},    {"hda", "media=disk,index=0"}, {"hdb", "media=disk,index=1"},
    {"hdc", "media=disk,index=2"}, {"hdd", "media=disk,index=3"}, {"cdrom", "media=cdrom,index=2"},
    {"fda", "if=floppy,index=0"},  {"fdb", "if=floppy,index=1"},  {"sd", "if=sd,index=0"},
    {"mtdblock", "if=mtd"},        {"pflash", "if=pflash"},
};

// Of a drive, what tells the guest's device from others.
constexpr std::array<std::string_view, 11> kDrivePlace = {
    "if",       "id",        "index",  "bus",    "unit",     "media",
    "readonly", "read-only", "werror", "rerror", "node-name"};

bool is_remote(const std::string& path) {
  size_t colon = path.find(':');
  return colon != std::string::npos && path.find('/') >= colon;
}

}  // namespace

std::optional<OptionValue> long_form_of_drive(const QemuOption& option) {
  if (option.is("drive")) return OptionValue::parse(*option.value);
  auto found = std::ranges::find(kShortDrives, option.name, &ShortDrive::name);
  if (found == std::end(kShortDrives)) return std::nullopt;
  OptionValue drive = OptionValue::parse(found->place);
  if (!option.value->empty()) drive.set("file", *option.value);
  return drive;
}

DiskStandIns::DiskStandIns(const std::vector<QemuOption>& options) {
  for (const QemuOption& option : options) {
    if (!option.is("blockdev")) continue;
    OptionValue value = OptionValue::parse(*option.value, "driver");
    nodes_[value.get_or("node-name", "")] = read_node(value);
  }
}

// The protocol below a format may be a node of its own, or stand inside of it.
DiskStandIns::Node DiskStandIns::read_node(const OptionValue& value) const {
  Node node{.driver = value.get_or("driver", ""), .file = value.get_or("file", ""), .path = {}};
  node.path = value.get_or("filename", value.get_or("file.filename", ""));
  if (const Json* inner = value.json() ? find_member(*value.json(), "file") : nullptr) {
    if (inner->is_object()) {
      node.path = text_member(*inner, "filename");
      node.file.clear();
    }
  }
  return node;
}

Result<uint64_t> DiskStandIns::size_of(const std::string& path, const std::string& format) {
  auto unknown = [&](const std::string& why) -> Result<uint64_t> {
    unknown_.push_back(fmt::format("disk '{}': {}", escape(path), why));
    return kAnySize;
  };
  if (path.empty() || is_remote(path) || path.starts_with("/dev/fdset/")) {
    return unknown("its size is not known here");
  }
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return system_error(fmt::format("open disk '{}'", escape(path)), errno);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return system_error("stat", errno);
  uint64_t bytes = static_cast<uint64_t>(facts.st_size);
  if (S_ISBLK(facts.st_mode) && ::ioctl(file.get(), BLKGETSIZE64, &bytes) != 0) {
    return unknown("its size is not known here");
  }
  std::array<std::byte, kQcow2SizeAt + 8> head{};
  bool has_head =
      ::pread(file.get(), head.data(), head.size(), 0) == static_cast<ssize_t>(head.size());
  bool is_qcow2 = has_head && std::string_view(reinterpret_cast<const char*>(head.data()),
                                               kQcow2.size()) == kQcow2;
  if (is_qcow2 && format != "raw") {
    ByteReader in(std::span<const std::byte>(head).subspan(kQcow2SizeAt));
    return in.be<uint64_t>("size of the disk");
  }
  if (!format.empty() && format != "raw" && format != "file" && format != "host_device") {
    return unknown(fmt::format("images of format {} are not read here", escape(format)));
  }
  return (bytes + kSector - 1) / kSector * kSector;
}

Result<QemuOption> DiskStandIns::replace_drive(const QemuOption& option) {
  OptionValue drive = *long_form_of_drive(option);
  OptionValue stand_in;
  for (const auto& [key, value] : drive.items()) {
    bool is_kept = std::ranges::find(kDrivePlace, key) != kDrivePlace.end();
    if (is_kept && value) stand_in.set(key, *value);
  }
  std::string path =
      drive.get_or("file", drive.get_or("file.filename", drive.get_or("filename", "")));
  bool has_medium = !path.empty() || drive.has("driver") || drive.has("file.driver");
  if (has_medium) {
    std::string format = drive.get_or("format", drive.get_or("driver", ""));
    auto bytes = size_of(path, format);
    if (!bytes) return bytes.error();
    stand_in.set("driver", "null-co");
    stand_in.set("size", std::to_string(*bytes));
    stand_in.set("read-zeroes", "on");
  }
  return QemuOption{.name = "drive", .value = stand_in.text()};
}

Result<QemuOption> DiskStandIns::replace_node(const QemuOption& option) {
  OptionValue value = OptionValue::parse(*option.value, "driver");
  std::string name = value.get_or("node-name", "");
  Node node = read_node(value);
  std::string format = node.driver;
  // As far down as the names lead, which may be in a circle.
  for (size_t i = 0; node.path.empty() && i < nodes_.size(); ++i) {
    auto below = nodes_.find(node.file);
    if (below == nodes_.end()) break;
    node = below->second;
  }
  auto bytes = size_of(node.path, format);
  if (!bytes) return bytes.error();
  OptionValue stand_in = OptionValue::parse("driver=null-co,read-zeroes=on");
  stand_in.set("node-name", name);
  stand_in.set("size", std::to_string(*bytes));
  if (auto read_only = value.get("read-only")) stand_in.set("read-only", *read_only);
  return QemuOption{.name = "blockdev", .value = stand_in.text()};
}

}  // namespace vmstream
