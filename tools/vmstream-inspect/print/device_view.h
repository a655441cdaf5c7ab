// SPDX-License-Identifier: MIT
// How a decoded device looks in each format.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <span>
#include <string>

#include <vmstream/device_collector.h>

namespace vminspect {

/// Lower-case digits, in pairs with `gap` between them.
std::string hex_text(std::span<const std::byte> bytes, std::string_view gap = "");

/// The value of a field that is not composite: number, bool, null or text; an array of them where
/// the field stands for several.
nlohmann::ordered_json field_value(const vmstream::DeviceField& field);

/// One of the `instances` of the schema vmstream.device/2.
nlohmann::ordered_json device_json(const vmstream::DecodedDevice& device);

/// What QEMU's analyze-migration.py makes of it.
nlohmann::ordered_json analyser_json(const vmstream::DecodedDevice& device);

/// A <device> element, set in by two spaces, with the type of each value as an attribute.
std::string device_xml(const vmstream::DecodedDevice& device, bool with_offsets);

/// A table: a heading line, then a row a field. Long values are cut unless they are `whole`.
std::string device_text(const vmstream::DecodedDevice& device, bool whole);

/// `text`, escaped, for use between tags and in attributes.
std::string xml_text(std::string_view text);

}  // namespace vminspect
