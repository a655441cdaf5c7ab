// SPDX-License-Identifier: MIT
// What a domain is made of, for who writes a save image of it.
#include <vmstream/libvirt.h>
#include "guest/libvirt/borrowed_domain.h"

namespace vmstream {

Result<std::string> describe_domain(const DomainAddress& address, bool with_secrets,
                                    const WaitLimits& limits) {
  auto domain = BorrowedDomain::open(address, limits);
  if (!domain) return domain.error();
  return domain->description(with_secrets, limits);
}

}  // namespace vmstream
