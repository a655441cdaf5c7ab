// SPDX-License-Identifier: MIT
// Who signed the file that was restored, and what he says that it is.
#pragma once

#include <vmstream/restore.h>
#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// Says who signed, when, and under what name, with the guest's UUID, all of it signed. An older
/// file of the same signer is as well signed as the one that is wanted, so a person must compare; a
/// name that is not the file's is a warning.
void tell_signer(const Options& options, const vmstream::RequiredSigner& signer,
                 const std::vector<vmstream::Container>& containers,
                 const vmstream::RestoreSummary& summary, vmtools::Session& session);

}  // namespace vmrestore
