// SPDX-License-Identifier: MIT
// Types whose inside no description tells, but whose form is known.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include <vmstream/vmdesc.h>

namespace vmstream {

/// Whether there is a layout for bytes of this type.
bool has_known_layout(std::string_view type);

/// What bytes of `field` hold, as a field with fields of its own. `vmsd_name` is the declaration of
/// the device. Null where the type is not known, or the bytes do not have its form from the first
/// to the last: a layout that does not fit exactly is not believed.
std::shared_ptr<const VmdescField> find_layout(const VmdescField& field,
                                               std::span<const std::byte> bytes,
                                               std::string_view vmsd_name);

/// The same for the body of a device that describes itself as mere bytes, by its name.
std::shared_ptr<const VmdescField> find_device_layout(const VmdescField& field,
                                                      std::span<const std::byte> bytes,
                                                      std::string_view idstr);

}  // namespace vmstream
