// SPDX-License-Identifier: MIT
#include "guest/capture/capture_mode.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <compare>

#include <vmstream/text.h>
#include "guest/capture/mapped_save.h"
#include "guest/capture/ram_layout.h"
#include "guest/monitor/query.h"

namespace vmstream {
namespace {

using Capabilities = MigrationSettings::Capabilities;

constexpr const char* kBackground = "background-snapshot";

// With these a stream needs a second channel or a partner, lacks memory, stops half-way, or takes
// the memory away from the guest that is to go on.
constexpr std::array kDisturbing = {"multifd",         "postcopy-ram",  "postcopy-preempt",
                                    "return-path",     "x-colo",        "release-ram",
                                    "zero-copy-send",  "block",         "mapped-ram",
                                    "x-ignore-shared", "switchover-ack"};

// These QEMU refuses beside a background snapshot.
constexpr std::array kNotInBackground = {
    "dirty-bitmaps", "postcopy-blocktime", "late-block-activate", "auto-converge", "rdma-pin-all",
    "xbzrle",        "compress",           "validate-uuid"};

// These QEMU refuses where pages have places of their own.
constexpr std::array kNotInMapped = {"xbzrle", "compress"};

bool is_wanted(std::string_view name, const CaptureOptions& options) {
  if (!options.mapped_ram) return false;
  return name == "mapped-ram" || (name == "multifd" && writes_in_parallel(options));
}

std::string hint_for(const std::string& refusal) {
  if (refusal.find("host kernel") != std::string::npos) {
    return "the kernel must let QEMU use userfaultfd with write protection: Linux 5.7, and QEMU "
           "run as root, vm.unprivileged_userfaultfd=1 or, from QEMU 8.1 on, the right to "
           "/dev/userfaultfd; --mode live and stop do without";
  }
  if (refusal.find("guest memory") != std::string::npos) {
    return "shared and huge-page memory cannot be write-protected; --mode live and stop do without";
  }
  return "--mode live and stop do without";
}

Status prepare_background(QmpClient& qmp, MigrationSettings& settings,
                          const CaptureOptions& options) {
  if (options.mapped_ram) {
    return Error{.code = Errc::Unsupported,
                 .message = "QEMU leaves a mapped-ram file of a background snapshot without pages",
                 .hint = hint_for("")};
  }
  if (!settings.knows_capability(kBackground)) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("QEMU {} makes no background snapshots, 6.0 was the first",
                                        qmp.qemu_version()),
                 .hint = hint_for("")};
  }
  auto set = settings.set_capabilities(qmp, capabilities_for(CaptureMode::Background, options));
  if (set || set.error().code != Errc::Environment) return set;
  return Error{.code = Errc::Unsupported,
               .message = "QEMU refuses a background snapshot: " + set.error().message,
               .hint = hint_for(set.error().message)};
}

struct Version {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const Version&) const = default;
};

// QEMU before 9.0 clears dirty bits of an emulated guest too late to see every write.
constexpr Version kSafeEmulator{9, 0};
// QEMU before 8.1 lifts the protection at the good end of a background snapshot only.
constexpr Version kLiftsProtection{8, 1};

Version parse_version(std::string_view text) {
  Version version;
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, version.major);
  if (parsed.ptr < end) std::from_chars(parsed.ptr + 1, end, version.minor);
  return version;
}

Result<bool> loses_dirty_pages(QmpClient& qmp) {
  if (parse_version(qmp.qemu_version()) >= kSafeEmulator) return false;
  auto kvm = query_kvm(qmp);
  if (!kvm) return kvm.error();
  return !*kvm;
}

// Before 9.0 no live save of an emulated guest aborts, but pages can be lost.
Result<std::optional<PlacedBlock>> find_abort(QmpClient& qmp) {
  if (parse_version(qmp.qemu_version()) < kSafeEmulator) return std::optional<PlacedBlock>();
  auto kvm = query_kvm(qmp);
  if (!kvm) return kvm.error();
  return *kvm ? std::optional<PlacedBlock>() : find_fatal_block(query_ram_blocks(qmp));
}

Status check_live(QmpClient& qmp) {
  auto fatal = find_abort(qmp);
  if (!fatal) return fatal.error();
  if (!*fatal) return ok();
  return Error{.code = Errc::Unsupported,
               .message = fmt::format(
                   "QEMU {} emulates this guest without KVM and would abort in a live save: memory "
                   "'{}' of {} bytes does not come first, and what does is smaller",
                   qmp.qemu_version(), escape((*fatal)->name), (*fatal)->used_bytes),
               .hint = "--mode stop and background are safe"};
}

Result<ChosenMode> next_best(QmpClient& qmp, const Error& refusal) {
  auto unsafe = loses_dirty_pages(qmp);
  if (!unsafe) return unsafe.error();
  auto possible = check_live(qmp);
  if (!possible && possible.error().code != Errc::Unsupported) return possible.error();
  if (!*unsafe && possible) return ChosenMode{CaptureMode::Live, refusal.message};
  return ChosenMode{CaptureMode::Stop, refusal.message + "; live saves of this QEMU are not safe"};
}

}  // namespace

std::string_view name_of(CaptureMode mode) {
  switch (mode) {
    case CaptureMode::Stop:
      return "stop";
    case CaptureMode::Live:
      return "live";
    case CaptureMode::Background:
      return "background";
    case CaptureMode::Auto:
      return "auto";
  }
  return "unknown";
}

Capabilities capabilities_for(CaptureMode mode, const CaptureOptions& options) {
  Capabilities wanted;
  for (const char* name : kDisturbing) wanted.emplace_back(name, is_wanted(name, options));
  if (options.mapped_ram) {
    for (const char* name : kNotInMapped) wanted.emplace_back(name, false);
  }
  wanted.emplace_back(kBackground, mode == CaptureMode::Background);
  bool disks_at_end = options.disk_folder && mode != CaptureMode::Background;
  wanted.emplace_back(kPauseAtEnd, disks_at_end);
  // These tell the passes, the moment of the disks, and the end where no stream does.
  if (mode == CaptureMode::Live || disks_at_end || options.mapped_ram) {
    wanted.emplace_back("events", true);
  }
  if (mode == CaptureMode::Background) {
    for (const char* name : kNotInBackground) wanted.emplace_back(name, false);
  }
  if (mode == CaptureMode::Live && options.auto_converge) {
    wanted.emplace_back("auto-converge", true);
  }
  return wanted;
}

MigrationSettings::Parameters parameters_for(CaptureMode mode, const CaptureOptions& options) {
  MigrationSettings::Parameters wanted;
  wanted["max-bandwidth"] = options.max_bandwidth.value_or(kUnlimitedBandwidth);
  if (options.downtime_limit && mode == CaptureMode::Live) {
    wanted["downtime-limit"] = options.downtime_limit->count();
  }
  if (writes_in_parallel(options)) wanted["multifd-channels"] = channel_count(options);
  if (options.mapped_ram) wanted["direct-io"] = options.mapped_ram->direct_io;
  return wanted;
}

std::string danger_of_emulated_save(const std::string& qemu_version) {
  if (parse_version(qemu_version) >= kSafeEmulator) return {};
  return fmt::format(
      "QEMU {} emulates this guest without KVM and, before 9.0, can lose pages that it writes "
      "while it is saved live; --mode stop and background are safe",
      qemu_version);
}

Result<std::string> danger_of_live_save(QmpClient& qmp) {
  auto unsafe = loses_dirty_pages(qmp);
  if (!unsafe) return unsafe.error();
  return *unsafe ? danger_of_emulated_save(qmp.qemu_version()) : std::string();
}

bool stays_protected(const std::string& qemu_version) {
  return parse_version(qemu_version) < kLiftsProtection;
}

Result<ChosenMode> prepare_mode(QmpClient& qmp, MigrationSettings& settings,
                                const CaptureOptions& options, bool guest_runs) {
  ChosenMode chosen{options.mode, {}};
  if (!guest_runs && options.mode != CaptureMode::Stop) {
    chosen = {CaptureMode::Stop, "the guest was found stopped"};
  }
  if (chosen.mode == CaptureMode::Background || chosen.mode == CaptureMode::Auto) {
    auto prepared = prepare_background(qmp, settings, options);
    if (prepared) return ChosenMode{CaptureMode::Background, {}};
    bool may_choose =
        chosen.mode == CaptureMode::Auto && prepared.error().code == Errc::Unsupported;
    if (!may_choose) return prepared.error();
    auto next = next_best(qmp, prepared.error());
    if (!next) return next.error();
    chosen = *next;
  } else if (chosen.mode == CaptureMode::Live) {
    if (auto possible = check_live(qmp); !possible) return possible.error();
  }
  auto set = settings.set_capabilities(qmp, capabilities_for(chosen.mode, options));
  if (!set) return set.error();
  return chosen;
}

}  // namespace vmstream
