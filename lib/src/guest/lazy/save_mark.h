// SPDX-License-Identifier: MIT
// Which save the guest is of that waits in a QEMU for the rest of its memory.
#pragma once

#include <string>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/qmp.h>
#include <vmstream/state_index.h>

#include "guest/lazy/lazy_reader.h"

namespace vmstream {

/// An object of QEMU, of a kind that does nothing by itself, whose name holds a digest of the
/// device sections: no two saves have the same, and each copy of a save has the same, however it is
/// packed. Whoever goes on with the guest finds it there.
class SaveMark {
 public:
  static Result<SaveMark> make(const LazyReader& reader, const StateIndex& index,
                               const WaitLimits& limits);

  /// In place of the marks of others. A QEMU that cannot take one has none.
  Status leave(QmpClient& qmp) const;
  /// Once nobody needs to go on; a QEMU that has none is fine.
  void remove(QmpClient& qmp) const;
  /// Errc::Refused where QEMU has the mark of another save. Whether it has one at all.
  Result<bool> check(QmpClient& qmp) const;

  const std::string& name() const { return name_; }

  /// Of the name of every mark.
  static constexpr std::string_view kFront = "vmstream-lazy-";
  /// The type of the object: it limits the rate of disks that are told to belong to it.
  static constexpr const char* kType = "throttle-group";

 private:
  explicit SaveMark(std::string name) : name_(std::move(name)) {}
  static Result<std::vector<std::string>> list(QmpClient& qmp);

  std::string name_;
};

}  // namespace vmstream
