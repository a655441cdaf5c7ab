// SPDX-License-Identifier: MIT
// Calls that cannot be told to give up, made where nobody has to wait for their end.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/unique_fd.h"
#include "io/wait.h"

namespace vmstream {

/// What `call` gives, or the limit that strikes before: then the call goes on by itself, and what
/// it gives is dropped. So it owns all that it uses. `what` names the thing waited for. A process
/// that may not have threads waits for the call whatever the limits are.
template <typename T>
Result<T> call_apart(std::function<T()> call, const WaitLimits& limits, const char* what) {
  struct Shared {
    std::function<T()> call;
    UniqueFd done;
    std::mutex mutex;
    std::optional<T> given;
  };
  auto shared = std::make_shared<Shared>();
  shared->done.reset(::eventfd(0, EFD_CLOEXEC));
  if (!shared->done.is_open()) return system_error("eventfd", errno);
  shared->call = std::move(call);
  auto run = [shared] {
    T given = shared->call();
    {
      std::lock_guard lock(shared->mutex);
      shared->given = std::move(given);
    }
    uint64_t one = 1;
    [[maybe_unused]] ssize_t told = ::write(shared->done.get(), &one, sizeof one);
  };
  try {
    std::thread(run).detach();
  } catch (const std::system_error&) {
    run();
  }
  if (auto ended = wait_ready(shared->done.get(), POLLIN, limits, what); !ended) {
    return ended.error();
  }
  std::lock_guard lock(shared->mutex);
  return std::move(*shared->given);
}

}  // namespace vmstream
