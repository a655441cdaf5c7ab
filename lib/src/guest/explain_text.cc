// SPDX-License-Identifier: MIT
#include "guest/explain_text.h"

#include <fmt/format.h>

namespace vmstream {

std::string qmp_line(const char* name, const Json& arguments) {
  if (arguments.is_null()) return fmt::format("{{\"execute\": \"{}\"}}\n", name);
  return fmt::format("{{\"execute\": \"{}\", \"arguments\": {}}}\n", name, to_text(arguments));
}

bool passes_fds(const QmpAddress& address) {
  return address.kind == QmpAddress::Kind::Unix;
}

}  // namespace vmstream
