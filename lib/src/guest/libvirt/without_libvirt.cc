// SPDX-License-Identifier: MIT
// A build without libvirt.
#include "guest/libvirt/running_domain.h"

namespace vmstream {
namespace {

Error not_built_in() {
  return Error{.code = Errc::Unsupported,
               .message = "this vmstream was built without libvirt",
               .hint = "build it where libvirt-dev is installed"};
}

}  // namespace

std::string libvirt_engine() {
  return {};
}

Result<std::shared_ptr<RunningDomain>> open_domain(const DomainAddress&) {
  return not_built_in();
}

Status restore_save_image(const std::string&, const std::string&, RestoredState) {
  return not_built_in();
}

}  // namespace vmstream
