// SPDX-License-Identifier: MIT
#include "guest/disks/output_rule.h"

#include <fmt/format.h>

#include <vmstream/text.h>
#include "guest/monitor/query.h"
#include "io/same_file.h"

namespace vmstream {

// The node of the file itself has its plain name, whatever stands above it.
Status require_no_medium(QmpClient& qmp, const std::string& output) {
  auto nodes = ask(qmp, "query-named-block-nodes");
  if (!nodes) return nodes.error();
  if (!nodes->is_array()) return ok();
  for (const Json& node : *nodes) {
    std::string file = text_member(node, "file");
    if (!is_same_file(file, output)) continue;
    return Error{Errc::Refused,
                 fmt::format("the guest has the output open as its disk: {}", escape(file))};
  }
  return ok();
}

}  // namespace vmstream
