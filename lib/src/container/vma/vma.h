// SPDX-License-Identifier: MIT
// A backup of Proxmox: a header, then extents with the blocks of all devices in turn. One device,
// "vmstate", is a state file.
#pragma once

#include <string_view>

#include "container/framing/found_content.h"

namespace vmstream {

bool is_vma(std::string_view head);

/// Checks the MD5 of the header, and of the head of each extent on the way to its blocks; the
/// blocks themselves have no checksum.
Result<FoundContent> find_in_vma(ForwardReader& in, const IsStateFile&);

}  // namespace vmstream
