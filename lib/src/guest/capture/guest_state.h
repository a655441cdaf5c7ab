// SPDX-License-Identifier: MIT
// The run state of a guest that is to be given back as it was found.
#pragma once

#include <string>

#include <vmstream/qmp.h>
#include "guest/monitor/query.h"

namespace vmstream {

/// How the guest was found.
class GuestState {
 public:
  static Result<GuestState> read(QmpClient& qmp);

  bool was_running() const { return found_.running; }
  const std::string& found_name() const { return found_.name; }

  /// Stops a guest that was found running.
  Status stop(QmpClient& qmp);
  /// Lets a guest that was found running run again; leaves any other as it is.
  Status resume(QmpClient& qmp);

 private:
  RunStatus found_;
};

}  // namespace vmstream
