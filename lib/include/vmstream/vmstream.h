// SPDX-License-Identifier: MIT
// The door to the library: what most programs need. The other headers are for those who go deeper.
//
// A state file is bytes around a stream. Reading one:
//   state_file.h      StateFile: whatever it is wrapped in, its stream, index and memory
//   stream_summary.h  scan_stream() with a SummaryCollector: machine, RAM blocks, devices
//   guest_memory.h    GuestMemory: the guest's memory, at any address
//   physical_map.h    PhysicalMap, PhysicalMemory: the same by the guest's physical addresses
//   memory_image.h    write_memory_image(): as files that debuggers and forensic tools open
//   visitor.h         StreamVisitor: every record, as parse_stream() and scan_stream() show it
//   indexing.h        the index of a file that has none: made with it, kept beside it
//   verification.h    verify_stream(): whether it is whole and agrees with itself
//
// Writing one:
//   state_writer.h    StateWriter: compression, encryption, index; a name only when it is whole
//
// Guests:
//   capture.h         GuestCapture: saves the guest of a running QEMU
//   libvirt.h         the same for domains of libvirt
//   restore.h         restore_guest(): brings one back, but never one that is not whole
//
// Nothing here throws but for want of memory: functions that can fail give a Result or a Status
// (result.h), whose Error says what went wrong, where, and what to try. Objects are used by one
// thread at a time. A Cancellation or a deadline in WaitLimits ends every wait.
#pragma once

#include <vmstream/capture.h>
#include <vmstream/codec.h>
#include <vmstream/guest_memory.h>
#include <vmstream/indexing.h>
#include <vmstream/parser.h>
#include <vmstream/restore.h>
#include <vmstream/result.h>
#include <vmstream/state_file.h>
#include <vmstream/state_writer.h>
#include <vmstream/stream_scan.h>
#include <vmstream/stream_summary.h>
#include <vmstream/text.h>
#include <vmstream/verification.h>
#include <vmstream/visitor.h>
