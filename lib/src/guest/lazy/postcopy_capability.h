// SPDX-License-Identifier: MIT
// QEMU's willingness to let a guest run before its memory is there.
#pragma once

#include <vmstream/qmp.h>

namespace vmstream {

/// The capability postcopy-ram of a QEMU, which is put back to how it was found on request only: a
/// restore that breaks off needs it still.
class PostcopyCapability {
 public:
  /// `qmp` is borrowed.
  explicit PostcopyCapability(QmpClient& qmp) : qmp_(qmp) {}

  /// Fails with a hint where QEMU, or its host, has no postcopy.
  Status switch_on();
  Status put_back();

 private:
  Status set(bool on);

  QmpClient& qmp_;
  bool switched_ = false;
};

}  // namespace vmstream
