// SPDX-License-Identifier: MIT
// A domain's dump as a source of bytes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <vmstream/byte_source.h>
#include <vmstream/cancellation.h>
#include "guest/libvirt/domain_watch.h"
#include "guest/libvirt/dump_fifo.h"
#include "guest/libvirt/running_domain.h"
#include "guest/monitor/monitored_io.h"
#include "pipeline/call_apart.h"

namespace vmstream {

/// How libvirt's dump has ended, and when.
struct DumpEnd {
  Status status = ok();
  Clock::time_point time = {};
};

/// What a DumpSource is given besides; the functions may be empty.
struct DumpSourceOptions {
  bool live = false;
  std::optional<Pace> pace = std::nullopt;  ///< it is read no faster
  std::function<void(const DomainLook&)> on_look = {};
  std::function<void()> on_silence = {};  ///< several times a second while nothing moves
  WaitLimits limits = {};
};

/// What libvirt dumps, as it writes it. The bytes end well only if libvirt says that all is done;
/// its failure comes out as the error.
class DumpSource final : public ByteSource {
 public:
  /// Begins the dump.
  static Result<std::unique_ptr<DumpSource>> begin(std::shared_ptr<RunningDomain> domain,
                                                   DumpSourceOptions options);

  Result<size_t> read(std::span<std::byte> into) override;

  /// How libvirt's dump has ended; null while it goes on.
  const DumpEnd* end() const { return end_ ? &*end_ : nullptr; }
  /// Has it fail, and waits for its end, reading on to nowhere; where it does not come within
  /// `limits` somebody else reads on, and this is the error.
  Status cancel(const WaitLimits& limits);

 private:
  DumpSource(std::shared_ptr<RunningDomain> domain, DumpFifo fifo, ApartCall<DumpEnd> call,
             DumpSourceOptions options)
      : domain_(domain),
        fifo_(std::move(fifo)),
        call_(std::move(call)),
        options_(std::move(options)),
        watch_(std::move(domain), [this](const DomainLook& look) { on_look(look); }) {}

  void on_look(const DomainLook& look) const {
    if (options_.on_look) options_.on_look(look);
  }
  Status keep_pace(std::span<std::byte>& into) const;
  Result<bool> wait_once();
  void note_end();
  void insist();
  Status run_dry();
  Status hang_up();
  bool is_packed(const WaitLimits& limits);

  std::shared_ptr<RunningDomain> domain_;
  DumpFifo fifo_;
  ApartCall<DumpEnd> call_;
  DumpSourceOptions options_;
  DomainWatch watch_;
  std::optional<DumpEnd> end_;
  std::optional<std::byte> first_;  // of its bytes
  bool is_to_fail_ = false;
  std::optional<ApartCall<Status>> abort_;
  Clock::time_point next_abort_ = Clock::now();
  Clock::time_point next_report_ = Clock::now();
};

}  // namespace vmstream
