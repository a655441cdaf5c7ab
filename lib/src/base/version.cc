// SPDX-License-Identifier: MIT
#include <vmstream/version.h>

namespace vmstream {

std::string_view version() {
  return VMSTREAM_VERSION;
}

}  // namespace vmstream
