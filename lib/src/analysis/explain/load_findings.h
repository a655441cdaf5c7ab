// SPDX-License-Identifier: MIT
// What of a stream matters to the QEMU that is to load it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <vmstream/load_advice.h>
#include <vmstream/vmdesc.h>

#include "analysis/scan/device_keeper.h"

namespace vmstream {

/// A command to the receiver.
struct FoundCommand {
  static constexpr size_t kMostKept = 1u << 16;

  CommandType type = CommandType::Invalid;
  uint64_t offset = 0;
  uint64_t length = 0;  ///< of the payload
};

struct LoadFindings {
  explicit LoadFindings(const DeviceKeeper& kept) : devices(kept) {}

  StreamSummary summary;
  const DeviceKeeper& devices;
  ProblemLog conditions;
  std::shared_ptr<const Vmdesc> vmdesc;
  uint64_t vmdesc_offset = 0;
  std::optional<uint64_t> eof_offset;
  std::map<CommandType, uint64_t> commands;  // the first of each type
  std::vector<FoundCommand> command_list;    // the first of all of them
  std::map<PageKind, uint64_t> pages;        // the first of each kind
  std::optional<uint64_t> multifd_flush;
  std::optional<uint64_t> hook;
  std::vector<StreamGap> gaps;
  std::optional<Error> fault;
};

/// What a message of QEMU speaks of. Empty if it is not known.
std::vector<Advice> explain_message(const LoadFindings& found, std::string_view message);

}  // namespace vmstream
