// SPDX-License-Identifier: MIT
// Commands of a stream: known, of the right length, in an order that QEMU takes.
#pragma once

#include <cstddef>

#include "analysis/scan/check_log.h"

namespace vmstream::analysis {

/// The facts are those of loadvm_process_command() and its handlers in QEMU's migration/savevm.c.
class CommandChecks {
 public:
  /// `log` is borrowed.
  explicit CommandChecks(CheckLog& log) : log_(log) {}

  void check(const Command& command);
  /// SWITCHOVER_START has come: a precopy migration of QEMU 10.0 or later.
  bool has_switched_over() const { return switched_over_; }
  /// POSTCOPY_LISTEN has come: pages follow the devices.
  bool is_in_postcopy() const { return postcopy_steps_ >= 2; }

 private:
  void check_length(const Command& command);
  void check_advice(const Command& command);
  void check_order(const Command& command);
  void check_connection(const Command& command);

  CheckLog& log_;
  size_t postcopy_steps_ = 0;  // ADVISE, LISTEN and RUN that have come
  bool has_return_path_ = false;
  bool switched_over_ = false;
};

}  // namespace vmstream::analysis
