// SPDX-License-Identifier: MIT
#include "vmrestore/claim.h"

#include <vmstream/text.h>

namespace vmrestore {

using vmstream::Error;
using vmstream::FileClaim;
using vmtools::ExitStatus;
using vmtools::Session;

vmstream::Result<InputClaim> InputClaim::take(const Options& options) {
  std::string path = options.file.value_or("");
  if (!options.once) return InputClaim(std::move(path), std::nullopt);
  auto taken = FileClaim::take(path);
  if (!taken) return taken.error();
  return InputClaim(std::move(path), std::move(*taken));
}

vmstream::Result<vmstream::OpenedInput> InputClaim::open(vmstream::WaitLimits limits) const {
  if (!claim_) return vmstream::open_input(path_, limits);
  auto file = claim_->file();
  if (!file) return file.error();
  return vmstream::OpenedInput{std::move(*file)};
}

ExitStatus InputClaim::use_up(Session& session, const std::string& name) {
  if (!claim_) return ExitStatus::Done;
  auto used = claim_->use_up();
  if (used) return ExitStatus::Done;
  Error error = used.error();
  error.message = "the guest is back, but its file could not be marked as used: " + error.message;
  return session.fail(name, error);
}

void InputClaim::keep() {
  if (claim_) claim_->abandon();
  kept_ = true;
}

void InputClaim::leave(Session& session, const std::string& name) {
  if (!claim_ || !kept_) return;
  session.messages().warning(name,
                             "its end had been handed on, so the guest may have run: it stays " +
                                 vmstream::escape(claim_->claimed_path()));
}

}  // namespace vmrestore
