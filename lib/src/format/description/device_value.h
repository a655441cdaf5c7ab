// SPDX-License-Identifier: MIT
// What the type names of a description say of the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <vmstream/device_state.h>

namespace vmstream {

/// The byte that stands for a NULL pointer in an array of pointers.
inline constexpr std::byte kNullPointer{0x30};

/// Bytes, until more is known of them.
DeviceField make_field(std::string_view name, std::string_view type, uint64_t offset,
                       std::span<const std::byte> bytes = {});

/// The meaning of `size` bytes of `type`; Bytes for unknown types, and where the size does not go
/// with the type. Structs and lists are told by what else stands in their description.
ValueKind scalar_kind(std::string_view type, uint64_t size);

/// Bytes of one element where the type alone tells, as that of a number does; 0 elsewhere.
uint64_t scalar_size(std::string_view type);

/// A type that is a bit away from one that is known.
bool is_misspelt_type(std::string_view type);

/// Whether a described element is a NULL pointer, under any of the names it has had.
bool is_null_pointer(const VmdescField& field);

}  // namespace vmstream
