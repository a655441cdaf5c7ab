// SPDX-License-Identifier: MIT
// Compressed clusters.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "container/qcow2/image.h"

namespace vmstream {

/// Decompresses clusters. Used by one thread at a time.
class ClusterUnpacker {
 public:
  virtual ~ClusterUnpacker() = default;
  /// Fills `cluster` from the front of `packed`; what stands behind is of others. False: these
  /// bytes are damaged, or do not fill it.
  virtual bool unpack(std::span<const std::byte> packed, std::span<std::byte> cluster) = 0;
};

/// Null where there is no memory for it.
std::unique_ptr<ClusterUnpacker> make_cluster_unpacker(ClusterCompression compression);

}  // namespace vmstream
