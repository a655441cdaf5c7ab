// SPDX-License-Identifier: MIT
#include "vmrestore/claim.h"

#include <vmstream/state_file.h>
#include <vmstream/text.h>

namespace vmrestore {

using vmstream::Error;
using vmstream::FileClaim;
using vmstream::FileShare;
using vmtools::Session;

namespace {

// Where stdin was opened from a file, that file may be claimed.
constexpr const char* kStdin = "/proc/self/fd/0";

}  // namespace

vmstream::Result<InputClaim> InputClaim::take(const Options& options) {
  InputClaim input;
  auto name = vmstream::StateName::parse(options.file.value_or(""));
  input.path_ = name.file;
  input.snapshot_ = name.snapshot;
  if (options.once && input.snapshot_) {
    return Error{vmstream::Errc::Usage,
                 "--once renames the file, which is a disk: it does not go with a snapshot"};
  }
  if (input.snapshot_) return input;
  if (options.once) {
    auto claim = FileClaim::take(input.path_);
    if (!claim) return claim.error();
    input.claim_.emplace(std::move(*claim));
  } else if (options.resume_lazy && FileClaim::is_claimed_name(input.path_)) {
    auto claim = FileClaim::take_over(input.path_);
    if (!claim) return claim.error();
    input.claim_.emplace(std::move(*claim));
  } else if (options.file) {
    auto share = FileShare::take(input.path_ == "-" ? kStdin : input.path_);
    if (!share) return share.error();
    input.share_.emplace(std::move(*share));
  }
  return input;
}

vmstream::Result<vmstream::OpenedInput> InputClaim::open(vmstream::WaitLimits limits) const {
  bool is_held = claim_ || (share_ && share_->holds_file());
  if (!is_held) return vmstream::open_input(path_, limits);
  auto file = claim_ ? claim_->file() : share_->file();
  if (!file) return file.error();
  return vmstream::OpenedInput{std::move(*file)};
}

vmstream::Status InputClaim::use_up() {
  if (!claim_) return vmstream::ok();
  auto used = claim_->use_up();
  if (used) return used;
  Error error = used.error();
  error.message = "the guest is back, but its file could not be marked as used: " + error.message;
  return error;
}

void InputClaim::keep() {
  if (claim_) claim_->abandon();
  kept_ = true;
}

void InputClaim::leave(Session& session, const std::string& name) {
  if (!claim_) return;
  std::string stays = "it stays " + vmstream::escape(claim_->claimed_path());
  if (kept_) {
    session.messages().warning(name,
                               "its end had been handed on, so the guest may have run: " + stays);
    left_at_ = claim_->claimed_path();
  } else if (auto back = claim_->give_back(); !back) {
    session.messages().warning(
        name, "it was not used, but " + stays + ": " + vmstream::describe(back.error()));
    left_at_ = claim_->claimed_path();
  }
}

}  // namespace vmrestore
