// SPDX-License-Identifier: MIT
// A signature demanded of a state file.
#pragma once

#include <vmstream/state_file.h>

namespace vmstream {

/// Makes state.plain end well only if one of the messages around it carries a good signature of
/// `signer`. Fails at once if there is no message.
Status demand_signature(StateFile& state, const RequiredSigner& signer);

}  // namespace vmstream
