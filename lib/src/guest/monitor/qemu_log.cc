// SPDX-License-Identifier: MIT
#include "guest/monitor/qemu_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include <vmstream/text.h>
#include "io/peer_user.h"

namespace vmstream {

std::string find_qemu_log(const QmpClient& qmp) {
  auto process = get_unix_peer_process(qmp.descriptor());
  // A QEMU that was started here shares our own.
  if (!process || *process <= 0 || *process == ::getpid()) return {};
  std::error_code failed;
  auto log = std::filesystem::read_symlink(fmt::format("/proc/{}/fd/2", *process), failed);
  if (failed || !std::filesystem::is_regular_file(log, failed)) return {};
  return escape(log.string());
}

}  // namespace vmstream
