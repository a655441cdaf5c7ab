// SPDX-License-Identifier: MIT
#include "guest/monitor/qmp_command.h"

#include <fmt/format.h>

namespace vmstream {

std::string qmp_line(const char* name, const Json& arguments) {
  if (arguments.is_null()) return fmt::format("{{\"execute\": \"{}\"}}\n", name);
  return fmt::format("{{\"execute\": \"{}\", \"arguments\": {}}}\n", name, to_text(arguments));
}

}  // namespace vmstream
