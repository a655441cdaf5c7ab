// SPDX-License-Identifier: MIT
#include "guest/libvirt/dump_options.h"

#include <string>
#include <utility>

namespace vmstream {
namespace {

Error unsupported(std::string message, std::string hint) {
  return Error{.code = Errc::Unsupported, .message = std::move(message), .hint = std::move(hint)};
}

}  // namespace

Status check_dump_options(const CaptureOptions& options) {
  if (options.mode == CaptureMode::Background) {
    return unsupported(
        "libvirt has no background save",
        "it needs a second monitor, which taints the domain: virt-qemu-qmp-proxy DOMAIN SOCKET, or "
        "<qemu:commandline> with -qmp, then vmdump --qmp SOCKET --mode background");
  }
  if (options.disk_folder) {
    return unsupported(
        "libvirt takes snapshots of disks only together with a save image of its own",
        "virsh snapshot-create-as DOMAIN NAME --live --memspec FILE,snapshot=external saves both "
        "at "
        "one moment; vmdump --from FILE packs the image");
  }
  if (options.mapped_ram) {
    return unsupported("libvirt's dump has no places for pages", "--to mapped-ram converts a file");
  }
  if (options.mode == CaptureMode::Live && options.after != After::Keep) {
    return unsupported("libvirt lets a domain that was saved live run again at once",
                       "--mode stop keeps it as it was saved");
  }
  if (options.downtime_limit || options.auto_converge || options.must_end) {
    return unsupported("libvirt's dump comes to its end by itself: nothing sets when", "");
  }
  return ok();
}

}  // namespace vmstream
