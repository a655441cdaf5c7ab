// SPDX-License-Identifier: MIT
// Saved guests of Xen. Their memory is in Xen's own records; the state of the devices that QEMU
// emulates is a stream within.
#pragma once

#include <string_view>

#include "container/framing/found_content.h"

namespace vmstream {

/// The file of libvirt's Xen driver: a header, the domain's XML, then what libxl writes.
bool is_libvirt_xen(std::string_view head);
Result<FoundContent> find_in_libvirt_xen(ForwardReader& in, const IsStateFile&);

/// The file of xl: a header, the domain's configuration, then what libxl writes.
bool is_xl(std::string_view head);
Result<FoundContent> find_in_xl(ForwardReader& in, const IsStateFile&);

/// What libxl writes since Xen 4.6: records, with the memory between them and the device state in
/// one (docs/specs/libxl-migration-stream and libxc-migration-stream of Xen).
bool is_libxl(std::string_view head);
Result<FoundContent> find_in_libxl(ForwardReader& in, const IsStateFile&);

/// The device state as Xen up to 4.5 puts it at the end of a file, standing alone.
bool is_xen_record(std::string_view head);
Result<FoundContent> find_in_xen_record(ForwardReader& in, const IsStateFile&);

}  // namespace vmstream
