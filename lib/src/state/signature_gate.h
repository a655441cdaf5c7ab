// SPDX-License-Identifier: MIT
// A signature demanded of a state file.
#pragma once

#include "state/unwrapping.h"

namespace vmstream {

/// Makes state.plain end well only if one of the messages around it carries a good signature of
/// `signer`. Fails at once if there is no message.
Status demand_signature(UnwrappedStream& state, const RequiredSigner& signer);

}  // namespace vmstream
