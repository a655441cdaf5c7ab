// SPDX-License-Identifier: MIT
// What is told of a restore, to people and to programs: how it went, who signed the file, and what
// a file needs of the QEMU that has refused it.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/lazy_restore.h>
#include <vmstream/memory_view.h>
#include <vmstream/restore.h>
#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmrestore/input.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// What a guest was given without loading it.
struct MappedMemory {
  const vmstream::MemoryView& view;
  uint64_t bytes = 0;          ///< of the blocks that are mapped
  vmstream::ViewCounts before; ///< of the view, when the guest was about to be loaded
  vmstream::ViewCounts after;  ///< when it was loaded
};

/// Where nobody can be told the rest.
inline constexpr std::string_view kDoneAllTheSame = "the restore is done all the same";

/// "guest.zst: 1.50 GiB of RAM restored, 1.2 s, guest is running".
std::string summary_line(const Options& options, const vmstream::RestoreSummary& summary);

/// Schema vmstream.restore/1. `clock_set`: whether the clock was set if it was to be.
nlohmann::ordered_json summary_json(const Options& options,
                                    const std::vector<vmstream::Container>& containers,
                                    const vmstream::RestoreSummary& summary, bool clock_set);

/// "guest.zst: guest is running since 0.012 s, 512 MiB delivered, 1.2 s; the file is no longer
/// needed".
std::string lazy_summary_line(const Options& options, const vmstream::LazySummary& summary);

/// Schema vmstream.restore/1, with what lazy restores have in common with others, and "lazy".
nlohmann::ordered_json lazy_summary_json(const Options& options, const vmstream::LazyFile& file,
                                         const vmstream::LazySummary& summary, bool clock_set);

/// "guest.zst: guest is running since 0.031 s, 512 MiB of its memory are mapped".
std::string mapped_summary_line(const Options& options, const vmstream::RestoreSummary& summary,
                                const MappedMemory& memory);

/// Schema vmstream.restore/1, with what mapped restores have in common with others, and "map".
nlohmann::ordered_json mapped_summary_json(const Options& options, const vmstream::LazyFile& file,
                                           const vmstream::RestoreSummary& summary,
                                           const MappedMemory& memory, bool clock_set);

/// Says who signed, when, and under what name, with the guest's UUID, all of it signed. An older
/// file of the same signer is as well signed as the one that is wanted, so a person must compare; a
/// name that is not the file's is a warning.
void tell_signer(const Options& options, const vmstream::RequiredSigner& signer,
                 const std::vector<vmstream::Container>& containers,
                 const vmstream::RestoreSummary& summary, vmtools::Session& session);

/// Says in a few lines why the input was refused, or else what it needs, and which command tells
/// all of it. `refusal` is what is known of QEMU's words. Says nothing of an input that cannot be
/// read again within seconds and without a key.
void advise(vmtools::Session& session, const std::string& file, const Input& input,
            const std::string& refusal);

}  // namespace vmrestore
