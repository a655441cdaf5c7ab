// SPDX-License-Identifier: MIT
// The pages of a stream, counted on their way: held against QEMU's own count, which shows that the
// stream came from there, and pass by pass.
#pragma once

#include <cstdint>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/convergence.h>
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

/// Counts pass by pass what a precopy sends. A pass is not marked in the stream:
/// one begins with a page that is not behind the page before it, in the order of the block list.
/// This is the rule by which `vmstream-inspect ram` finds them again in the file.
class PassMeter final : public StreamVisitor {
 public:
  /// `rounds`: whether there may be more than one; a background snapshot sends pages out of turn.
  explicit PassMeter(bool rounds) : rounds_(rounds) {}

  Status on_page(const Page& page) override;

  /// Those so far, the last of which lasts until now.
  std::vector<CapturePass> passes() const;

 private:
  void begin_pass();

  bool rounds_;
  std::vector<CapturePass> passes_;
  Clock::time_point begun_ = Clock::now();
  // Where the page before stood.
  const RamBlock* block_ = nullptr;
  uint64_t block_offset_ = 0;
};

}  // namespace vmstream
