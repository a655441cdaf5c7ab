// SPDX-License-Identifier: MIT
// The few things that a save wants to know of a domain's description, which libvirt has written.
//
// Read without expat, unlike what container/libvirt reads of strangers' files: a password is
// blanked where its bytes stand, and expat tells where a tag begins, not where the value of an
// attribute does. Every other byte must stay as it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vmstream {

/// The same with each password replaced by an empty one. A display with an empty password lets
/// nobody in (libvirt's rule for VNC), one without a password everybody.
std::string without_passwords(std::string_view xml);

/// Whether QEMU emulates the processor, without KVM.
bool is_emulated(std::string_view xml);

/// Where the guest has its disks that it can write to: "vda".
std::vector<std::string> writable_disks(std::string_view xml);

}  // namespace vmstream
