// SPDX-License-Identifier: MIT
// Reading a stream for a verdict on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/file_digest.h>
#include <vmstream/verification.h>
#include "common/tool.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/options.h"
#include "vmstream-inspect/print/printer.h"

namespace vminspect {

/// What a verdict is about, all of it.
struct Verified {
  Subject subject;
  vmstream::ScanResult scan;
  vmstream::Verification found;
  std::optional<std::string> file_sha256;
  uint64_t absent_pages = 0;  ///< of RAM blocks, without a record
};

/// Reads all of the file. `also` (borrowed; may be null) is shown the stream, too. Fails where it
/// could not be read at all.
vmstream::Result<Verified> examine(
    vmtools::Session& session, const InspectOptions& options,
    vmstream::PageChannels channels = vmstream::PageChannels::Unknown,
    vmstream::StreamVisitor* also = nullptr);

/// The stream of a file, whose own bytes are digested on the way where they are not the stream.
/// Without a digest for the parts of a guest, which have no bytes of their own together.
vmstream::Result<std::unique_ptr<vmstream::ByteSource>> open_digested(
    vmstream::StateFile& file, std::optional<vmstream::FileDigest>& digest);

/// Of a plain file the digest of the stream is that of the file; empty for a block device, and
/// without a digest.
vmstream::Result<std::optional<std::string>> digest_file(
    const InspectOptions& options, const Subject& subject,
    std::optional<vmstream::FileDigest>& digest);

/// An object of vmstream.verify/1.
nlohmann::ordered_json verdict_json(const Verified& verified);
/// "whole and consistent", or "DAMAGED: …"
std::string verdict_text(bool ok, bool complete);
/// The first line of an answer, green or red.
void print_headline(bool color, bool ok, std::string_view text);
/// What becomes of a load.
std::string load_text(const vmstream::LoadVerdict& load);
/// Lines of what is no fault, and yet should be known.
void print_notes(const Verified& verified);
/// A line each; `file` stands in front where it is not empty.
void print_problems(const vmstream::ProblemLog& problems, std::string_view file = {});

}  // namespace vminspect
