// SPDX-License-Identifier: MIT
#include "guest/libvirt/borrowed_domain.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include <vmstream/text.h>
#include "guest/libvirt/domain_xml.h"
#include "io/wait.h"
#include "pipeline/call_apart.h"

namespace vmstream {
namespace {

constexpr const char* kLibvirt = "libvirt";
// For one answer while a domain is put back: a daemon that was stopped would keep the rest of the
// time.
constexpr auto kAnswerPatience = std::chrono::seconds(3);
constexpr auto kRetryInterval = std::chrono::milliseconds(200);

// The call apart, within limits; its own failure and theirs are one.
template <typename T>
Result<T> ask(std::function<Result<T>()> call, const WaitLimits& limits) {
  auto given = call_apart<Result<T>>(std::move(call), limits, kLibvirt);
  return given ? std::move(*given) : Result<T>(given.error());
}

WaitLimits for_one_answer(const WaitLimits& limits) {
  auto deadline = Clock::now() + kAnswerPatience;
  return {.cancellation = limits.cancellation,
          .deadline = std::min(limits.deadline.value_or(deadline), deadline)};
}

Error with_hint(Error error) {
  const std::string& words = error.message;
  auto says = [&words](std::string_view what) { return words.find(what) != std::string::npos; };
  if (!error.hint.empty()) return error;
  if (says("Failed to connect socket")) {
    error.hint = "is libvirtd or virtqemud running, and does the URI lead to it?";
  } else if (says("authentication") || says("Permission denied") || says("access denied")) {
    error.hint = "libvirt lets root and members of the group libvirt at its system domains";
  }
  return error;
}

}  // namespace

Result<BorrowedDomain> BorrowedDomain::open(DomainAddress address, const WaitLimits& limits) {
  auto domain =
      ask<std::shared_ptr<RunningDomain>>([address] { return open_domain(address); }, limits);
  if (!domain) return with_hint(domain.error());
  BorrowedDomain borrowed(std::move(address), std::move(*domain));
  if (auto looked = borrowed.look(limits); !looked) return looked.error();
  return borrowed;
}

Status BorrowedDomain::look(const WaitLimits& limits) {
  auto state = ask<DomainState>([domain = domain_] { return domain->state(); }, limits);
  if (!state) return state.error();
  found_ = std::move(*state);
  if (!found_.active) {
    return Error{
        .code = Errc::Environment,
        .message = fmt::format("there is no guest to save: the domain is {}", found_.words),
        .hint = "virsh start brings it up"};
  }
  auto version = [this, &limits](std::string (RunningDomain::*member)()) {
    return ask<std::string>(
        [domain = domain_, member] { return Result<std::string>(((*domain).*member)()); }, limits);
  };
  auto qemu = version(&RunningDomain::qemu_version);
  if (!qemu) return qemu.error();
  auto daemon = version(&RunningDomain::daemon_version);
  if (!daemon) return daemon.error();
  qemu_version_ = std::move(*qemu);
  daemon_version_ = std::move(*daemon);
  return check_idle(limits);
}

Status BorrowedDomain::check_idle(const WaitLimits& limits) const {
  auto job = ask<DomainJob>([domain = domain_] { return domain->job(JobWhen::Now); }, limits);
  if (!job) return job.error();
  if (!job->under_way) return ok();
  return Error{.code = Errc::Environment,
               .message = "libvirt has another job under way with this domain",
               .hint =
                   "virsh domjobinfo tells which; wait for its end, or end it with virsh "
                   "domjobabort"};
}

Result<std::vector<std::string>> BorrowedDomain::disks(const WaitLimits& limits) const {
  return ask<std::vector<std::string>>([domain = domain_] { return domain->disks(); }, limits);
}

Result<std::string> BorrowedDomain::description(bool with_secrets, const WaitLimits& limits) const {
  auto xml = ask<std::string>(
      [domain = domain_, with_secrets] { return domain->description(with_secrets); }, limits);
  if (!xml || with_secrets) return xml;
  return without_passwords(*xml);
}

Result<DomainJob> BorrowedDomain::finished_job(const WaitLimits& limits) const {
  return ask<DomainJob>([domain = domain_] { return domain->job(JobWhen::Completed); }, limits);
}

Status BorrowedDomain::suspend(const WaitLimits& limits) const {
  return ask<std::monostate>([domain = domain_] { return domain->suspend(); }, limits);
}

Status BorrowedDomain::resume_once(const WaitLimits& limits) const {
  auto state = ask<DomainState>([domain = domain_] { return domain->state(); }, limits);
  if (!state) return state.error();
  if (!found_.running || state->running) return ok();
  if (!state->active) {
    return Error{Errc::Unsupported, fmt::format("the domain has ended: it is {}", state->words)};
  }
  return ask<std::monostate>([domain = domain_] { return domain->resume(); }, limits);
}

// A daemon that was started again looks after the domain by itself, and may not be done with it.
// Only the end of the domain is final.
Status BorrowedDomain::put_back(const WaitLimits& limits) {
  for (;;) {
    auto resumed = resume_once(for_one_answer(limits));
    if (resumed || resumed.error().code == Errc::Unsupported) return resumed;
    if (auto paused = pause_within(kRetryInterval, limits, kLibvirt); !paused) return resumed;
    auto again = ask<std::shared_ptr<RunningDomain>>(
        [address = address_] { return open_domain(address); }, for_one_answer(limits));
    if (again) domain_ = std::move(*again);
  }
}

Status BorrowedDomain::destroy(const WaitLimits& limits) const {
  auto ended = ask<std::monostate>([domain = domain_] { return domain->destroy(); }, limits);
  if (!ended) return ended;
  auto state = ask<DomainState>([domain = domain_] { return domain->state(); }, limits);
  bool has_gone = !state || !state->active;  // one without a definition is no longer found
  return has_gone ? ok() : Status(Error{Errc::Environment, "the domain did not end"});
}

}  // namespace vmstream
