// SPDX-License-Identifier: MIT
// State files and their indexes, made of streams that tests have built.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <vmstream/codec.h>
#include <vmstream/state_index.h>

namespace testing {

/// `plain` as a file of this coding, without an index.
std::vector<std::byte> pack(vmstream::Coding coding, std::span<const std::byte> plain);

/// The index of a stream, which must be whole.
vmstream::StateIndex index_of(std::span<const std::byte> stream);

}  // namespace testing
