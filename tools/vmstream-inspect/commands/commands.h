// SPDX-License-Identifier: MIT
// What each command does: read the file, print the answer, give the status.
#pragma once

#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vminspect {

/// Does what the options ask. A damaged file gives what can be had, then the error line and its
/// status.
vmtools::ExitStatus inspect(vmtools::Session& session, const InspectOptions& options);

/// device: the fields of one device, or one of them.
vmtools::ExitStatus answer_device(vmtools::Session& session, const InspectOptions& options);
/// registers: of each processor, or one of them.
vmtools::ExitStatus show_registers(vmtools::Session& session, const InspectOptions& options);
/// memory: bytes at an address of the guest.
vmtools::ExitStatus show_memory(vmtools::Session& session, const InspectOptions& options);
/// translate: where a virtual address leads.
vmtools::ExitStatus translate(vmtools::Session& session, const InspectOptions& options);
/// gdb: serves a debugger until it leaves.
vmtools::ExitStatus serve_debugger(vmtools::Session& session, const InspectOptions& options);
/// vmdesc: the description that the stream carries.
vmtools::ExitStatus answer_vmdesc(vmtools::Session& session, const InspectOptions& options);
/// dump: everything decoded.
vmtools::ExitStatus answer_dump(vmtools::Session& session, const InspectOptions& options);

/// index: reads the whole file and leaves its index beside it.
vmtools::ExitStatus make_index(vmtools::Session& session, const InspectOptions& options);

/// verify: is the file whole, and does it agree with itself? Reads everything and prints one
/// verdict with what is wrong. Of several files a line each, and the highest of their statuses; of
/// a folder, and with --multifd, see verify_multifd().
vmtools::ExitStatus verify(vmtools::Session& session, const InspectOptions& options);

/// memory-map: where the guest's memory is in its address space.
vmtools::ExitStatus show_memory_map(vmtools::Session& session, const InspectOptions& options);

/// ram: what became of the guest's pages on their way. From the file's index, where that tells all
/// of it; else false, and nothing is printed.
bool show_indexed_ram(vmtools::Session& session, const InspectOptions& options,
                      vmstream::StateFile& file);
/// The same from the stream.
vmtools::ExitStatus show_ram(vmtools::Session& session, const InspectOptions& options,
                             vmstream::StateFile& file, vmstream::ByteSource& stream);

/// extract: a part of the stream becomes a file, which appears whole or not at all.
vmtools::ExitStatus extract(vmtools::Session& session, const InspectOptions& options,
                            vmstream::StateFile& file, vmstream::ByteSource& stream);

/// The same of an image of the guest's memory by its addresses, see is_image().
vmtools::ExitStatus extract_image(vmtools::Session& session, const InspectOptions& options);

/// mount: the file as a folder, until somebody takes the mount away or a signal comes.
vmtools::ExitStatus mount_state(vmtools::Session& session, const InspectOptions& options);

/// hexdump: every byte with its meaning, in rows that are printed as they come.
vmtools::ExitStatus hexdump(vmtools::Session& session, const InspectOptions& options,
                            vmstream::StateFile& file, vmstream::ByteSource& stream);

/// explain: where and why a load would fail, in sentences, what fails first; with an error of
/// QEMU's what that speaks of in front.
vmtools::ExitStatus explain(vmtools::Session& session, const InspectOptions& options,
                            vmstream::StateFile& file, vmstream::ByteSource& stream);

/// report: one page about the guest that a person can read, from one reading of everything.
vmtools::ExitStatus make_report(vmtools::Session& session, const InspectOptions& options,
                                vmstream::StateFile& file, vmstream::ByteSource& stream);

}  // namespace vminspect
