// SPDX-License-Identifier: MIT
// The QEMU guest agent: a program in the guest that does what it is asked by a socket of QEMU's.
#pragma once

#include <vmstream/qmp.h>

namespace vmstream {

/// Sets the system clock of a running guest, and by it the guest's RTC, to the time of this
/// machine. `agent` is the socket of the character device behind "org.qemu.guest_agent.0". The
/// guest is not trusted: what it answers is bounded, and waited for no longer than ten seconds.
Status set_guest_clock(const QmpAddress& agent, WaitLimits limits = {});

}  // namespace vmstream
