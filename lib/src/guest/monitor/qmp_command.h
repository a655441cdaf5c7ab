// SPDX-License-Identifier: MIT
// Commands of QMP before they are sent.
#pragma once

#include <string>

#include "base/json.h"

namespace vmstream {

/// One that a later moment or another process will send.
struct QmpCommand {
  std::string name;
  Json arguments = Json::object();
};

}  // namespace vmstream
