// SPDX-License-Identifier: MIT
// A plain stream on its way into a save image of libvirt.
#pragma once

#include <vmstream/byte_sink.h>
#include <vmstream/stream_statistics.h>
#include <vmstream/visitor.h>
#include "format/ram/sent_memory.h"

namespace vmstream {

/// Hands the stream on as it is, and sees whether a QEMU that libvirt starts takes it: it gets the
/// bytes as they are, and the capabilities that no stream of a save needs are off there.
/// Errc::Unsupported for other streams, Errc::Truncated for one that is not complete; finish() of
/// the next stage is not called then.
class LibvirtSink final : public ByteSink, private StreamVisitor {
 public:
  /// `next` is borrowed.
  explicit LibvirtSink(ByteSink& next) : next_(next) {}

  Status write(std::span<const std::byte> bytes) override;
  Status finish() override;
  std::span<std::byte> lend() override;
  Status commit(size_t count) override;

  /// Whether the stream is of a guest that ran; known after finish().
  bool starts_guest() const { return tap_.starts_guest(); }

 private:
  Status on_configuration(const Configuration& configuration) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_command(const Command& command) override;

  ByteSink& next_;
  StatisticsTap tap_{{}, this};
  SentMemory memory_;
  std::span<std::byte> lent_;
};

}  // namespace vmstream
