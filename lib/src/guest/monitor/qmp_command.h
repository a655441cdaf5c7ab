// SPDX-License-Identifier: MIT
// A command of QMP that has not been sent yet.
#pragma once

#include <string>

#include "base/json.h"

namespace vmstream {

struct QmpCommand {
  std::string name;
  Json arguments = Json::object();
};

}  // namespace vmstream
