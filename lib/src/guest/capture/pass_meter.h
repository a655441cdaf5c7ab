// SPDX-License-Identifier: MIT
// The passes of a sender over the guest's RAM, as they show in its stream.
#pragma once

#include <cstdint>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/convergence.h>
#include <vmstream/visitor.h>

namespace vmstream {

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
