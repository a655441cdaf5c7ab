// SPDX-License-Identifier: MIT
// Hashes and checksums of bytes that are at hand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <vmstream/result.h>

namespace vmstream {

/// XXH64 with seed 0: the checksum of tables and blocks, against accidents, not against forgers.
uint64_t xxh64(std::span<const std::byte> bytes);

/// The CRC-32 of gzip; `so_far` continues an earlier one. By the fastest library built in.
uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t so_far = 0);

/// A SHA-256: what nobody can make other bytes for.
using StrongHash = std::array<std::byte, 32>;
/// Fails where memory runs out: a hash that was not taken equals nothing.
Result<StrongHash> strong_hash(std::span<const std::byte> bytes);

}  // namespace vmstream
