// SPDX-License-Identifier: MIT
// A client of QEMU's machine protocol, QMP.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

/// Where a monitor listens: a unix socket or a TCP port.
struct QmpAddress {
  enum class Kind { Unix, Tcp };
  Kind kind = Kind::Unix;
  std::string path;  ///< Unix
  std::string host;  ///< Tcp
  std::string port;  ///< Tcp

  /// "PATH", "unix:PATH" or "tcp:HOST:PORT" (HOST may be a [v6] address).
  static Result<QmpAddress> parse(std::string_view text);
};

/// An event as QEMU sent it. `data` is JSON text, "{}" when there was none.
struct QmpEvent {
  std::string name;
  std::string data;
  double time = 0;  ///< when it happened, by QEMU's clock: seconds since 1970
};

/// Told once, in words for a person, that a wait has become long.
using OnLongWait = std::function<void(const std::string&)>;

/// One session with a monitor. Used by one thread at a time. JSON goes in and out as text.
///
/// Events that arrive while an answer is awaited are queued for take_event(). A monitor that closes
/// is an Errc::Environment error of the call that notices it, and of every call after.
class QmpClient {
 public:
  /// Connects, reads the greeting and negotiates capabilities. A QEMU that is busy, with a large
  /// file to load for instance, greets late: `on_long_wait` is told so after some seconds, and
  /// without a deadline 30 seconds are the most.
  static Result<QmpClient> connect(const QmpAddress& address, WaitLimits limits = {},
                                   const OnLongWait& on_long_wait = {});
  /// Takes over a connected socket.
  static Result<QmpClient> adopt(int owned_fd, WaitLimits limits = {});
  QmpClient(QmpClient&&) noexcept;
  QmpClient& operator=(QmpClient&&) noexcept;
  ~QmpClient();

  /// Runs a command and gives what stands under "return". An error answer is Errc::Environment with
  /// "COMMAND: " and QEMU's own text. `arguments` is a JSON object, or empty. `pass_fd`, if not -1,
  /// travels with the command and stays the caller's.
  Result<std::string> execute(std::string_view command, std::string_view arguments = {},
                              int pass_fd = -1);

  /// Sends a command whose answer take_answer() gives when it has come: for times at which QEMU
  /// cannot answer before something else is done. One at a time, Errc::Usage otherwise.
  Status post(std::string_view command, std::string_view arguments = {});
  /// Whether the answer to a posted command has not been taken yet.
  bool awaits_answer() const;
  /// What the posted command returned, as execute() gives it, or nothing yet. Without waiting, and
  /// only of what take_event() has received.
  Result<std::optional<std::string>> take_answer();

  /// The next event that has come, if any, without waiting.
  Result<std::optional<QmpEvent>> take_event();

  /// Replaces the limits of all further waits: clean-up after an interrupt needs fresh ones.
  void set_limits(WaitLimits limits);

  /// For poll(): readable when take_event() or an error may be had.
  int descriptor() const;
  /// Only a unix socket can carry a descriptor to QEMU.
  bool can_pass_fds() const;
  /// "7.2.22", from the greeting.
  const std::string& qemu_version() const;

 private:
  struct State;
  explicit QmpClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
