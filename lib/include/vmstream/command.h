// SPDX-License-Identifier: MIT
// A shell command as one stage of a pipeline, whose exit status counts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>

namespace vmstream {

// Every command runs by /bin/sh -c with the default signal handling and no descriptor but stdin,
// stdout and stderr; stderr is this process's own. Success is exit status 0 after the last byte;
// any other status, a signal, or a command that leaves bytes of its input unread is an
// Errc::Environment error that names the command. An object that is destroyed before its command
// has ended ends it (SIGTERM, then SIGKILL after two seconds) before its stdin closes, so that no
// command takes a cut input for whole.

/// Bytes written go to the stdin of `command`. Its stdout goes to `stdout_fd` (borrowed), or
/// nowhere when that is -1. finish() closes its stdin and waits for its end.
Result<std::unique_ptr<ByteSink>> make_command_sink(const std::string& command, int stdout_fd = -1,
                                                    WaitLimits limits = {});

/// Bytes that `command` prints; its stdin is empty. The read at the end fails unless the command
/// ended well.
Result<std::unique_ptr<ByteSource>> make_command_source(const std::string& command,
                                                        WaitLimits limits = {});

/// Bytes written pass through `command` and what it prints goes on to `next` (borrowed). finish()
/// closes the command's stdin, drains it, waits for its end and then finishes `next`.
Result<std::unique_ptr<ByteSink>> make_filter_sink(const std::string& command, ByteSink& next,
                                                   WaitLimits limits = {});

/// Runs `command` with an empty stdin to its end. Its stdout goes to `stdout_fd` (borrowed), or
/// nowhere when that is -1.
Status run_command(const std::string& command, int stdout_fd = -1, WaitLimits limits = {});

/// `word` as /bin/sh takes it for one word: 'it'\''s'.
std::string quote_for_shell(std::string_view word);

/// `value` as QEMU's options have it: two commas are one that belongs to the value.
std::string escape_option(std::string_view value);

}  // namespace vmstream
