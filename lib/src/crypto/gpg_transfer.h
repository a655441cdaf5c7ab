// SPDX-License-Identifier: MIT
// One run of gpg with bytes going through it: pulled through it, or pushed into it.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <vmstream/cancellation.h>
#include "crypto/gpg.h"

namespace vmstream {

/// Moves bytes to gpg, from gpg, and GPGME's own words about it, on the owner's thread: GPGME tells
/// which descriptors it wants served, and the owner waits for them within its limits.
///
/// GPGME moves 512 bytes at a time, or, told to take more, spends more on each byte than gpg does.
/// So it sees the first bytes and the end of both directions, which tells which descriptors carry
/// them, and what lies between goes past it.
class GpgTransfer {
 public:
  /// Fills the front of `into`; 0 is the end of the input.
  using Supply = std::function<Result<size_t>(std::span<std::byte> into)>;
  using Accept = std::function<Status(std::span<const std::byte> bytes)>;
  /// Starts an operation with its input and its output, which a listing of keys leaves alone.
  using Begin = std::function<gpgme_error_t(gpgme_ctx_t, gpgme_data_t, gpgme_data_t)>;

  GpgTransfer(GpgContext context, Supply supply, Accept accept, WaitLimits limits);
  GpgTransfer(const GpgTransfer&) = delete;
  GpgTransfer& operator=(const GpgTransfer&) = delete;
  /// Ends what is under way: gpg loses its pipes.
  ~GpgTransfer();

  Status begin(const Begin& begin);

  /// Waits for gpg and serves it: at most one call of `supply` and of `accept` each. Not to be
  /// called once done(), nor without input at hand.
  Status step();
  bool done() const { return outcome_.has_value(); }
  /// gpg has ended, and has said all that it had to say, with input left.
  bool left_input_unread() const { return left_input_unread_; }

  /// Of a transfer that is done: the first error of supply or accept, or `what` and gpg's own.
  Status outcome(const std::string& what) const;
  /// The same as GPGME has it; 0 where supply or accept failed.
  gpgme_error_t verdict() const { return own_error_ ? 0 : *outcome_; }

  gpgme_ctx_t context() const { return context_.get(); }
  /// What a listing of keys has brought.
  std::vector<GpgKey> take_keys() { return std::move(keys_); }

 private:
  // A descriptor that GPGME wants to be told of.
  struct Watch {
    int fd = -1;
    short events = 0;
    gpgme_io_cb_t serve = nullptr;
    void* serve_argument = nullptr;
    bool ready = false;
    bool carries_content = false;  // seen to: it may be read or written past GPGME
    bool broken = false;           // gpg reads no more
    bool removed = false;
  };

  static gpgme_error_t add_watch(void* self, int fd, int is_input, gpgme_io_cb_t serve,
                                 void* serve_argument, void** tag);
  static void remove_watch(void* tag);
  static void on_event(void* self, gpgme_event_io_t type, void* event);
  static ssize_t on_read(void* self, void* into, size_t size);
  static ssize_t on_write(void* self, const void* bytes, size_t size);

  Result<GpgData> make_data(gpgme_data_cbs& callbacks);
  void serve(short events);
  void serve(Watch& watch);
  bool read_past(Watch& watch);
  bool write_past(Watch& watch);
  void fail(const Error& error);

  Supply supply_;
  Accept accept_;
  WaitLimits limits_;
  std::optional<Error> own_error_;        // of supply or accept
  std::optional<gpgme_error_t> outcome_;  // GPGME's, once done
  std::vector<GpgKey> keys_;
  std::vector<std::unique_ptr<Watch>> watches_;
  Watch* served_ = nullptr;  // by GPGME, now
  std::vector<std::byte> from_gpg_;
  std::vector<std::byte> to_gpg_;
  std::span<const std::byte> unwritten_;  // of to_gpg_
  bool input_ended_ = false;
  bool left_input_unread_ = false;
  gpgme_data_cbs input_callbacks_{};
  gpgme_data_cbs output_callbacks_{};
  GpgData input_;
  GpgData output_;
  GpgContext context_;  // last: while it goes it still takes watches away
};

/// Takes bytes as they come; `accept` gets what gpg makes of them, from within write() and
/// finish(). `what` stands before gpg's errors: "encryption".
class GpgFeed {
 public:
  GpgFeed(GpgContext context, std::string what, GpgTransfer::Accept accept, WaitLimits limits);

  Status begin(const GpgTransfer::Begin& begin) { return transfer_.begin(begin); }
  Status write(std::span<const std::byte> bytes);
  /// Ends the input and waits for gpg's end.
  Status finish();

  gpgme_ctx_t context() const { return transfer_.context(); }

 private:
  Result<size_t> supply(std::span<std::byte> into);

  std::string what_;
  std::span<const std::byte> pending_;  // of the write under way
  bool ended_ = false;
  GpgTransfer transfer_;  // last: it calls back
};

}  // namespace vmstream
