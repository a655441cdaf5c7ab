// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <vmstream/libvirt.h>
#include <vmstream/text.h>

namespace vmstream {

// A name may have a '#', and so may a URI: without "://" in front of it none is meant.
Result<DomainAddress> DomainAddress::parse(std::string_view text) {
  DomainAddress address;
  size_t scheme = text.find("://");
  size_t mark = text.rfind('#');
  bool has_uri = scheme != std::string_view::npos;
  if (has_uri && (mark == std::string_view::npos || mark < scheme)) {
    return Error{
        .code = Errc::Usage,
        .message = fmt::format("'{}' names no domain: URI#DOMAIN is wanted", escape(text))};
  }
  if (has_uri) address.uri = text.substr(0, mark);
  address.domain = has_uri ? text.substr(mark + 1) : text;
  if (address.domain.empty()) return Error{Errc::Usage, "the name of the domain is empty"};
  return address;
}

}  // namespace vmstream
