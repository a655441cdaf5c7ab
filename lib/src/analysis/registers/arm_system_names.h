// SPDX-License-Identifier: MIT
// The names of Arm's system registers, by the numbers under which a stream has them.
#pragma once

#include <cstdint>
#include <string>

namespace vmstream {

/// "sctlr_el1", or "s3_0_c15_c2_0" for one without a name here; of coprocessors "p15_0_c1_c0_0"
/// (number, opc1, CRn, CRm, opc2). `index` is KVM's number, which QEMU uses in every stream.
std::string arm_system_name(uint64_t index);
uint32_t arm_system_bits(uint64_t index);  ///< 32 or 64

}  // namespace vmstream
