// SPDX-License-Identifier: MIT
// The connection between the source of a postcopy migration, which is this process, and QEMU: what
// QEMU says by it, and taking the migration up over a new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/result.h>
#include "guest/lazy/served_blocks.h"
#include "io/fd.h"

namespace vmstream {

enum class ReturnType : uint16_t {
  Shut = 1,
  Pong = 2,
  RequestBlockPages = 3,  ///< names its block
  RequestPages = 4,       ///< of the block named last
  ReceivedBitmap = 5,
  ResumeAck = 6,
  SwitchoverAck = 7,
};

/// One message. Fields that its type does not have are as initialised.
struct ReturnMessage {
  ReturnType type = ReturnType::Pong;
  uint32_t value = 0;  ///< of Shut (0: success), Pong and ResumeAck
  std::string block;   ///< of requests, those of the block named last too, and bitmaps; not escaped
  uint64_t start = 0;  ///< of requests: bytes from the block's begin
  uint32_t length = 0;            ///< of requests
  std::vector<std::byte> bitmap;  ///< one bit for each target page, the lowest first: received
};

/// Cuts the bytes of a return path into messages. They come from QEMU, but are not trusted: sizes
/// are bounded, and an unknown message is an error as it is to QEMU.
class ReturnPathReader {
 public:
  static constexpr uint64_t kMostBitmapBytes = 64u << 20;  ///< enough for a block of 2 TiB

  /// A bitmap must be whole before it is given out: it may take no more than this.
  void limit_bitmaps(uint64_t most_bytes) { most_bitmap_bytes_ = most_bytes; }
  void append(std::span<const std::byte> bytes);
  /// The next whole message; empty while it is not all there.
  Result<std::optional<ReturnMessage>> take();

 private:
  std::vector<std::byte> buffer_;
  size_t taken_ = 0;  // of the buffer's front
  uint64_t most_bitmap_bytes_ = kMostBitmapBytes;
  std::string last_block_;
};

/// A socket of which both directions are in use. Neither ever blocks.
class PostcopyChannel {
 public:
  /// `socket` is borrowed.
  explicit PostcopyChannel(int socket) : writer_(socket), socket_(socket) {}

  int descriptor() const { return socket_; }

  /// Takes in what has come. Errc::Environment once QEMU has closed its end.
  Status receive();
  /// See ReturnPathReader.
  void limit_bitmaps(uint64_t most_bytes) { reader_.limit_bitmaps(most_bytes); }
  /// The next message of those taken in.
  Result<std::optional<ReturnMessage>> take() { return reader_.take(); }
  /// The next message, waiting for it.
  Result<ReturnMessage> await_message(const WaitLimits& limits);

  /// As much as fits.
  Result<size_t> write_some(std::span<const std::byte> bytes) { return writer_.write_some(bytes); }
  Status write_all(std::span<const std::byte> bytes, const WaitLimits& limits) {
    return writer_.write_all(bytes, limits);
  }

 private:
  Writer writer_;
  int socket_;
  ReturnPathReader reader_;
};

/// Asks QEMU over a new connection which pages it has, enters them into the ledger, and lets it go
/// on. Requests that were open come again and are taken by whoever reads the channel next.
Status recover_postcopy(PostcopyChannel& channel, const std::vector<ServedBlock>& blocks,
                        DeliveryLedger& ledger, const WaitLimits& limits);

}  // namespace vmstream
