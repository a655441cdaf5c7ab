// SPDX-License-Identifier: MIT
// The config space of a virtio device, as the guest sees it.
#pragma once

#include <cstdint>
#include <string_view>

namespace vmstream {

class LayoutWriter;

/// `bytes` of it, of a device whose declaration is named `vmsd_name`. What of it is not known stays
/// bytes. Looks ahead at the subsections behind the device for the order of its bytes.
void lay_out_virtio_config(LayoutWriter& out, std::string_view vmsd_name, uint64_t bytes);

}  // namespace vmstream
