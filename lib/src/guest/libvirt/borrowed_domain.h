// SPDX-License-Identifier: MIT
// A domain from the first look at it until it is again as it was found.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <vmstream/libvirt.h>
#include "guest/libvirt/domain_watch.h"
#include "guest/libvirt/running_domain.h"

namespace vmstream {

/// Asks libvirt within limits. It gives nothing back by itself: put_back() does.
class BorrowedDomain {
 public:
  /// Connects, and sees how it is. Errc::Environment where it does not run, or libvirt has a job
  /// with it. Changes nothing.
  static Result<BorrowedDomain> open(DomainAddress address, const WaitLimits& limits);

  const std::shared_ptr<RunningDomain>& domain() const { return domain_; }
  const std::string& name() const { return address_.domain; }
  const DomainState& found() const { return found_; }
  const std::string& qemu_version() const { return qemu_version_; }
  const std::string& daemon_version() const { return daemon_version_; }

  /// Whether libvirt has something under way with it, which a dump would wait for.
  Status check_idle(const WaitLimits& limits) const;
  Result<std::vector<std::string>> disks(const WaitLimits& limits) const;
  /// As a save image has it; without `with_secrets` passwords are replaced by empty ones.
  Result<std::string> description(bool with_secrets, const WaitLimits& limits) const;
  Result<DomainJob> finished_job(const WaitLimits& limits) const;

  Status suspend(const WaitLimits& limits) const;
  /// Lets it run again if it was found so. A daemon that has gone may come back meanwhile.
  Status put_back(const WaitLimits& limits);
  /// Ends it, and sees that it has ended.
  Status destroy(const WaitLimits& limits) const;

 private:
  BorrowedDomain(DomainAddress address, std::shared_ptr<RunningDomain> domain)
      : address_(std::move(address)), domain_(std::move(domain)) {}
  Status look(const WaitLimits& limits);
  Status resume_once(const WaitLimits& limits) const;

  DomainAddress address_;
  std::shared_ptr<RunningDomain> domain_;
  DomainState found_ = {};
  std::string qemu_version_ = {};
  std::string daemon_version_ = {};
};

}  // namespace vmstream
