// SPDX-License-Identifier: MIT
// What a file needs of the QEMU that has just refused it.
#pragma once

#include <string>

#include "common/tool.h"
#include "vmrestore/input.h"

namespace vmrestore {

/// Says in a few lines why the input was refused, or else what it needs, and which command tells
/// all of it. `refusal` is what is known of QEMU's words. Says nothing of an input that cannot be
/// read again within seconds and without a key.
void advise(vmtools::Session& session, const std::string& file, const Input& input,
            const std::string& refusal);

}  // namespace vmrestore
