// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#ifdef VMSTREAM_HAVE_LIBDEFLATE
#include <libdeflate.h>
#else
#include <zlib.h>
#endif

namespace vmstream {

uint64_t xxh64(std::span<const std::byte> bytes) {
  return ::XXH64(bytes.data(), bytes.size(), 0);
}

uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t so_far) {
  if (bytes.empty()) return so_far;  // the libraries take a null pointer for a new start
#ifdef VMSTREAM_HAVE_LIBDEFLATE
  return libdeflate_crc32(so_far, bytes.data(), bytes.size());
#else
  auto* from = reinterpret_cast<const Bytef*>(bytes.data());
  return static_cast<uint32_t>(::crc32_z(so_far, from, bytes.size()));
#endif
}

Result<StrongHash> strong_hash(std::span<const std::byte> bytes) {
  StrongHash hash;
  auto* into = reinterpret_cast<unsigned char*>(hash.data());
  if (EVP_Digest(bytes.data(), bytes.size(), into, nullptr, EVP_sha256(), nullptr) == 1) {
    return hash;
  }
  return Error{Errc::Environment, "SHA-256 could not be computed"};
}

}  // namespace vmstream
