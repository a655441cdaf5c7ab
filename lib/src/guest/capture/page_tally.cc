// SPDX-License-Identifier: MIT
#include "guest/capture/page_tally.h"

#include <fmt/format.h>

namespace vmstream {

Status PageTally::on_page(const Page& page) {
  switch (page.kind) {
    case PageKind::Data:
      ++normal_;
      break;
    case PageKind::Zero:
    case PageKind::Fill:
      ++duplicate_;
      break;
    case PageKind::Xbzrle:
    case PageKind::Compressed:
      break;
  }
  return ok();
}

Status PageTally::compare(const RamProgress& sent) const {
  if (sent.normal_pages.value_or(normal_) == normal_ &&
      sent.duplicate_pages.value_or(duplicate_) == duplicate_) {
    return ok();
  }
  return Error{.code = Errc::Environment,
               .message = fmt::format("this is not the stream that QEMU has sent: it has {} normal "
                                      "and {} duplicate pages, QEMU counts {} and {}",
                                      normal_, duplicate_, sent.normal_pages.value_or(0),
                                      sent.duplicate_pages.value_or(0)),
               .hint =
                   "somebody else may have connected in its place; try again over a unix "
                   "socket monitor"};
}

}  // namespace vmstream
