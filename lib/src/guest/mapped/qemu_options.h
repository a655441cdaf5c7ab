// SPDX-License-Identifier: MIT
// The command line of a QEMU as options and their values, and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vmstream/result.h>
#include "base/json.h"

namespace vmstream {

/// A word of the command line with the one that belongs to it.
struct QemuOption {
  std::string name;  ///< without dashes; empty for a word that stands alone, a disk image
  std::optional<std::string> value = std::nullopt;

  bool is(std::string_view wanted) const { return name == wanted; }
};

/// The words behind the program. Errc::Usage where the last option lacks its value.
Result<std::vector<QemuOption>> read_qemu_options(const std::vector<std::string>& argv);
/// The same as words, behind `program`.
std::vector<std::string> to_words(const std::string& program,
                                  const std::vector<QemuOption>& options);

/// The value of an option that has properties, "pc,accel=kvm" or a JSON object. The order is kept.
class OptionValue {
 public:
  /// `implied` is the name of a first property that is given without one. A later word without '='
  /// has no value.
  static OptionValue parse(std::string_view text, std::string_view implied = {});

  /// The last value of the property; numbers and truth of JSON as QEMU spells them ("on"), objects
  /// as their text.
  std::optional<std::string> get(std::string_view key) const;
  std::string get_or(std::string_view key, std::string_view otherwise) const {
    return get(key).value_or(std::string(otherwise));
  }
  bool has(std::string_view key) const { return get(key).has_value(); }
  void set(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  /// In the order given; a word without '=' has no value.
  const std::vector<std::pair<std::string, std::optional<std::string>>>& items() const {
    return items_;
  }
  /// With names throughout, as QEMU reads it; never JSON.
  std::string text() const;

  /// The object, where the text was one.
  const std::optional<Json>& json() const { return json_; }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> items_;
  std::optional<Json> json_;
};

/// A size as QEMU reads it: a number, a fraction too, and B, K, M, G, T, P or E; `unit` is meant
/// without a letter. Empty for other text.
std::optional<uint64_t> read_qemu_size(std::string_view text, uint64_t unit = 1);

}  // namespace vmstream
