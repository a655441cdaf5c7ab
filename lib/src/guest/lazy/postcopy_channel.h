// SPDX-License-Identifier: MIT
// The connection between the source of a postcopy migration, which is this process, and QEMU; and
// taking the migration up over a new one.
#pragma once

#include <vector>

#include <vmstream/cancellation.h>
#include "guest/lazy/return_path.h"
#include "guest/lazy/served_blocks.h"
#include "io/fd.h"

namespace vmstream {

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
