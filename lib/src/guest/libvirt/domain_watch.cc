// SPDX-License-Identifier: MIT
#include "guest/libvirt/domain_watch.h"

namespace vmstream {
namespace {

Result<DomainLook> look_at(RunningDomain& domain) {
  DomainLook look{.begun = Clock::now(), .answered = {}, .state = {}, .job = {}};
  auto state = domain.state();
  if (!state) return state.error();
  look.answered = Clock::now();
  auto job = domain.job(JobWhen::Now);
  if (!job) return job.error();
  look.state = std::move(*state);
  look.job = *job;
  return look;
}

}  // namespace

void DomainWatch::turn() {
  if (look_ && look_->has_returned()) {
    auto look = look_->take();
    look_.reset();
    if (look) tell_(*look);
  }
  if (look_ || Clock::now() < next_) return;
  next_ = Clock::now() + kInterval;
  auto begun =
      ApartCall<Result<DomainLook>>::begin([domain = domain_] { return look_at(*domain); });
  if (begun) look_.emplace(std::move(*begun));
}

}  // namespace vmstream
