// SPDX-License-Identifier: MIT
// Questions that have no answer.
#pragma once

#include <chrono>
#include <vector>

#include "guest/mapped/page_files.h"

namespace vmstream {

/// Keeps whoever asks waiting, so that no guest goes on without a page. A thread that waits for an
/// answer notices no signal, SIGKILL neither: so once it has got that one, it is answered, and ends
/// without having run again.
class HeldRequests {
 public:
  /// How often to look for those.
  static constexpr auto kInterval = std::chrono::milliseconds(100);

  void hold(const PageRequest& request) { held_.push_back(request); }
  bool empty() const { return held_.empty(); }
  void let_the_killed_go();

 private:
  std::vector<PageRequest> held_;
};

}  // namespace vmstream
