// SPDX-License-Identifier: MIT
// Hashes of bytes that are at hand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <vmstream/result.h>

namespace vmstream {

/// XXH64 with seed 0: the checksum of tables and blocks, against accidents, not against forgers.
uint64_t xxh64(std::span<const std::byte> bytes);

/// A SHA-256: what nobody can make other bytes for.
using StrongHash = std::array<std::byte, 32>;
/// Fails where memory runs out: a hash that was not taken equals nothing.
Result<StrongHash> strong_hash(std::span<const std::byte> bytes);

}  // namespace vmstream
