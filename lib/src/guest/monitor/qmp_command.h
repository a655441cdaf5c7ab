// SPDX-License-Identifier: MIT
// Commands of QMP before they are sent, and as a person reads them.
#pragma once

#include <string>

#include "base/json.h"

namespace vmstream {

/// One that a later moment or another process will send.
struct QmpCommand {
  std::string name;
  Json arguments = Json::object();
};

/// {"execute": "NAME"} as a line, with arguments unless they are null.
std::string qmp_line(const char* name, const Json& arguments = {});

}  // namespace vmstream
