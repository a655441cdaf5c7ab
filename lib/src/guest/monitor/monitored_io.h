// SPDX-License-Identifier: MIT
// Moving a stream while an eye is kept on the monitor and on the clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include <vmstream/cancellation.h>
#include <vmstream/qmp.h>
#include "io/fd.h"

namespace vmstream {

/// Is told what the monitor says while a stream moves. An error ends the move.
class MonitorListener {
 public:
  virtual ~MonitorListener() = default;
  virtual Status on_event(const QmpEvent&) { return ok(); }
  /// Before each wait, and several times a second: the time to post() and to take_answer(). To wait
  /// for an answer here could take for ever: QEMU may be unable to give it before its stream moves.
  virtual Status on_turn() { return ok(); }
};

/// Waits for a descriptor without losing sight of the monitor. All is borrowed.
class MonitorWatch {
 public:
  /// `on_silence` is called several times a second while nothing moves. `listener` may be null.
  MonitorWatch(QmpClient& qmp, WaitLimits limits, std::function<void()> on_silence,
               MonitorListener* listener = nullptr)
      : qmp_(qmp), limits_(limits), on_silence_(std::move(on_silence)), listener_(listener) {}

  /// Fails when a limit strikes or the monitor closes.
  Status await(int fd, short events);
  /// Waits a fraction of a second for something that the monitor has to say, and hears it.
  Status listen();
  const WaitLimits& limits() const { return limits_; }

 private:
  Result<bool> hear();
  Result<bool> wait_once(int fd, short events);

  QmpClient& qmp_;
  WaitLimits limits_;
  std::function<void()> on_silence_;
  MonitorListener* listener_;
  bool heard_ = false;  // what came before this wait, between a command and its answer
};

/// A limit of bytes a second. Says when the next slice of a stream may be taken. What was not taken
/// in time is not made up for: the rate is never exceeded for longer than a slice.
class Pace {
 public:
  explicit Pace(uint64_t bytes_per_second) : rate_(static_cast<double>(bytes_per_second)) {}

  /// The most to take at once: a twentieth of a second's worth.
  size_t slice() const { return static_cast<size_t>(std::max(1.0, rate_ / 20)); }
  Clock::duration delay() const { return std::max(next_ - Clock::now(), Clock::duration::zero()); }
  void took(size_t bytes) {
    std::chrono::duration<double> cost(static_cast<double>(bytes) / rate_);
    next_ = std::max(next_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(cost);
  }

 private:
  double rate_;
  Clock::time_point next_ = Clock::now();
};

/// What QEMU writes into its end of a link.
class MonitoredSource final : public ByteSource {
 public:
  /// With a `pace` it is read no faster.
  MonitoredSource(int fd, MonitorWatch& watch, std::optional<Pace> pace = std::nullopt)
      : fd_(fd), watch_(watch), pace_(pace) {}
  Result<size_t> read(std::span<std::byte> into) override;

 private:
  int fd_;
  MonitorWatch& watch_;
  std::optional<Pace> pace_;
};

/// What QEMU reads from its end of a link. finish() does nothing: closing the end is the owner's.
class MonitoredSink final : public ByteSink {
 public:
  MonitoredSink(int fd, MonitorWatch& watch) : writer_(fd), watch_(watch) {}
  Status write(std::span<const std::byte> bytes) override;
  Status finish() override { return ok(); }

 private:
  Writer writer_;
  MonitorWatch& watch_;
};

}  // namespace vmstream
