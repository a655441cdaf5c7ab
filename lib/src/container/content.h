// SPDX-License-Identifier: MIT
// Containers that do not pack: they hold a state file as it is, at a place that a header tells. One
// reading of each header serves both ways: by position, and from front to end.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include <vmstream/byte_source.h>
#include <vmstream/container.h>
#include <vmstream/random_source.h>
#include "container/framing/found_content.h"

namespace vmstream {

/// The containers that are told by their first bytes.
enum class ContainerKind { Libvirt };

/// Which of them a file is whose first bytes are `head`, of which kContentHeadBytes suffice.
std::optional<ContainerKind> recognise_container(std::span<const std::byte> head);

/// What a container holds, by position.
struct Content {
  Container description;
  std::unique_ptr<RandomSource> bytes;  ///< reads the container, which must live as long
  /// Where they are in the container; null where they are nowhere as they are.
  std::shared_ptr<const StretchMap> places;
};
Result<Content> open_content(ContainerKind kind, RandomSource& container,
                             const IsStateFile& is_state_file);

/// The same from front to end.
struct ContentStream {
  Container description;
  std::unique_ptr<ByteSource> bytes;
  std::shared_ptr<const StretchMap> places;  ///< of what has been read
};
Result<ContentStream> open_content(ContainerKind kind, std::unique_ptr<ByteSource> container,
                                   const IsStateFile& is_state_file);

}  // namespace vmstream
