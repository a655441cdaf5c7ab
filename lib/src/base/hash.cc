// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

namespace vmstream {

uint64_t xxh64(std::span<const std::byte> bytes) {
  return ::XXH64(bytes.data(), bytes.size(), 0);
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
