// SPDX-License-Identifier: MIT
// Whether a stream holds the pages that QEMU has counted: only then it came from there.
#pragma once

#include <cstdint>

#include <vmstream/visitor.h>
#include "guest/monitor/query.h"

namespace vmstream {

/// Counts the page records of the kinds that QEMU counts by themselves. QEMU's xbzrle count holds
/// pages that it sent in another way too, or not at all, and is left out.
class PageTally final : public StreamVisitor {
 public:
  Status on_page(const Page& page) override;

  /// After all of the stream: whether `sent`, as QEMU gives it after its end, says the same. What
  /// QEMU does not tell is not compared.
  Status compare(const RamProgress& sent) const;

 private:
  uint64_t normal_ = 0;
  uint64_t duplicate_ = 0;  // one byte, repeated
};

}  // namespace vmstream
