// SPDX-License-Identifier: MIT
// Which QEMU wrote a stream: nothing in the stream says so, but much of it hints.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmstream {

/// "7.2". Stable releases within a series write the same stream.
struct QemuVersion {
  uint32_t major = 0;
  uint32_t minor = 0;
  auto operator<=>(const QemuVersion&) const = default;
};
std::string to_string(QemuVersion version);

/// The version at the end of a machine type's name, such as 7.2 of "pc-q35-7.2". Empty for names
/// without one and for those of distributions ("pc-i440fx-rhel7.6.0").
std::optional<QemuVersion> version_of_machine(std::string_view machine);

/// The range of releases that could have written a stream, narrowed clue by clue. Always an
/// inference: a distribution may have moved a feature to an older release.
class QemuVersionRange {
 public:
  /// Each clue is kept in because() only if it narrows the range.
  void at_least(QemuVersion version, std::string_view clue);
  void at_most(QemuVersion version, std::string_view clue);

  const std::optional<QemuVersion>& lowest() const { return lowest_; }
  const std::optional<QemuVersion>& highest() const { return highest_; }
  /// The clues that set the two ends, such as "machine type pc-q35-7.2 exists since 7.2".
  std::vector<std::string> because() const;

 private:
  std::optional<QemuVersion> lowest_;
  std::optional<QemuVersion> highest_;
  std::string lowest_clue_;
  std::string highest_clue_;
};

}  // namespace vmstream
