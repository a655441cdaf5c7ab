// SPDX-License-Identifier: MIT
// A device section's body laid out by the sizes of its description.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <vmstream/vmdesc.h>

namespace vmstream::analysis {

/// A stretch of a body: a field as described, or the head of a subsection.
struct BodyPart {
  uint64_t offset = 0;  ///< in the body
  uint64_t length = 0;  ///< of all elements
  unsigned depth = 0;   ///< 0: of the device itself or of one of its subsections
  std::string path;     ///< "subsection: field.field"; not escaped
  std::string type;     ///< "subsection" for the head of one
  std::string owner;    ///< the declaration that the field belongs to, as in QEMU's messages
  std::string name;     ///< of the field in it
};

/// What does not agree, and where in the body.
struct BodyMismatch {
  uint64_t offset = 0;
  std::string message;  ///< escaped
};

/// Shows each part in order, composites in front of what they hold. Heads of subsections are held
/// against `body` when it is given, and the walk ends at the first that is not there; without it
/// only the places are told.
std::optional<BodyMismatch> walk_body(const VmdescDevice& device,
                                      std::optional<std::span<const std::byte>> body,
                                      const std::function<void(const BodyPart&)>& show);

}  // namespace vmstream::analysis
