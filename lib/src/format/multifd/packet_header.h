// SPDX-License-Identifier: MIT
// The headers of a multifd channel, each whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/multifd/multifd.h"

namespace vmstream {

/// Pages that a packet speaks of at most.
uint32_t multifd_capacity(uint32_t page_bytes);

/// A header, and what is odd about it without hurting.
struct MultifdHeader {
  MultifdPacket packet = {};
  std::string name = {};               // the views of `packet` lead here
  std::vector<uint64_t> offsets = {};  // and here
  std::vector<Problem> problems = {};

  MultifdHeader() = default;
  MultifdHeader(const MultifdHeader&) = delete;  // views would lead into the other one
  MultifdHeader& operator=(const MultifdHeader&) = delete;
};

/// The initial packet, all of it. What is odd goes to `problems`.
Result<MultifdInitial> read_multifd_initial(std::span<const std::byte> bytes,
                                            std::vector<Problem>& problems);

/// How long the header is that begins with `front`, kMultifdFrontBytes of it.
Result<size_t> multifd_header_bytes(std::span<const std::byte> front, uint64_t offset,
                                    uint32_t page_bytes);

/// Reads a whole header into `header`, which is fresh. Errc::Malformed where what follows it cannot
/// be trusted.
Status read_multifd_header(std::span<const std::byte> bytes, uint64_t offset, uint32_t page_bytes,
                           MultifdHeader& header);

}  // namespace vmstream
