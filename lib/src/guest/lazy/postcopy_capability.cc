// SPDX-License-Identifier: MIT
#include "guest/lazy/postcopy_capability.h"

#include "base/json.h"

namespace vmstream {
namespace {

constexpr const char* kName = "postcopy-ram";

Error no_postcopy(const std::string& reason) {
  return Error{.code = Errc::Environment,
               .message = "this QEMU cannot take a guest before its memory: " + reason,
               .hint =
                   "it needs the host's userfaultfd (sysctl vm.unprivileged_userfaultfd=1, or "
                   "the right to /dev/userfaultfd); without it restore without --lazy"};
}

}  // namespace

Status PostcopyCapability::switch_on() {
  auto answer = qmp_.execute("query-migrate-capabilities");
  if (!answer) return answer.error();
  Json capabilities = Json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  if (!capabilities.is_array()) return no_postcopy("it tells no capabilities");
  for (const Json& entry : capabilities) {
    if (text_member(entry, "capability") != kName) continue;
    if (true_member(entry, "state")) return ok();
    auto done = set(true);
    if (!done)
      return done.error().code == Errc::Environment ? no_postcopy(done.error().message) : done;
    switched_ = true;
    return ok();
  }
  return no_postcopy(std::string("it does not know the capability ") + kName);
}

Status PostcopyCapability::put_back() {
  return switched_ ? set(false) : ok();
}

Status PostcopyCapability::set(bool on) {
  Json list = Json::array({{{"capability", kName}, {"state", on}}});
  auto done = qmp_.execute("migrate-set-capabilities", to_text({{"capabilities", list}}));
  if (!done) return done.error();
  return ok();
}

}  // namespace vmstream
