// SPDX-License-Identifier: MIT
#include "analysis/scan/part_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "base/endian.h"

namespace vmstream {
namespace {

constexpr size_t kLongAdvice = 16;       // page-size summary, target page size
constexpr size_t kShortestDiscard = 20;  // version, a name of a letter, a range

// QEMU's table of commands: how long each is, or nothing where that varies.
std::optional<size_t> length_of(CommandType type) {
  switch (type) {
    case CommandType::Ping:
    case CommandType::Packaged:
      return 4;
    case CommandType::PostcopyAdvise:
    case CommandType::PostcopyRamDiscard:
    case CommandType::RecvBitmap:
      return std::nullopt;
    default:
      return 0;
  }
}

}  // namespace

void CommandChecks::check(const Command& command) {
  if (name_of(command.type) == "unknown" || command.type == CommandType::Invalid) {
    log_.tell(command.offset,
              fmt::format("command {:#x} is not known", static_cast<unsigned>(command.type)));
    return;
  }
  check_length(command);
  check_order(command);
  check_connection(command);
  if (command.type != CommandType::SwitchoverStart) return;
  switched_over_ = true;
  if (log_.loads_before({10, 0})) {
    log_.require(command.offset,
                 fmt::format("QEMU {} does not know the command SWITCHOVER_START, which came with "
                             "10.0",
                             to_string(*log_.loader())),
                 LoadEffect::Refused);
  }
}

void CommandChecks::check_length(const Command& command) {
  size_t length = command.payload.size();
  auto wanted = length_of(command.type);
  bool fits = !wanted || *wanted == length;
  if (command.type == CommandType::PostcopyAdvise) {
    fits = length == 0 || length == kLongAdvice;
    if (length == kLongAdvice) check_advice(command);
  }
  if (command.type == CommandType::PostcopyRamDiscard) {
    fits = length >= kShortestDiscard;
    wanted = kShortestDiscard;
  }
  if (fits) return;
  log_.tell(command.offset, fmt::format("command {} has {} bytes, wanted {}", name_of(command.type),
                                        length, wanted.value_or(kLongAdvice)));
}

// Behind the sizes of the blocks' pages stands that of the target's, which is to be the same.
void CommandChecks::check_advice(const Command& command) {
  constexpr uint64_t kLargestPage = 65536;
  auto page = load_be<uint64_t>(command.payload.data() + 8);
  if (std::has_single_bit(page) && page <= kLargestPage) return;
  log_.tell(command.offset,
            fmt::format("command POSTCOPY_ADVISE tells of target pages of {:#x} bytes", page));
}

// ADVISE, LISTEN, RUN; each once. DISCARD behind the first.
void CommandChecks::check_order(const Command& command) {
  constexpr std::array kOrder = {CommandType::PostcopyAdvise, CommandType::PostcopyListen,
                                 CommandType::PostcopyRun};
  if (command.type == CommandType::PostcopyRamDiscard && postcopy_steps_ == 0) {
    log_.tell(command.offset, "command POSTCOPY_RAM_DISCARD stands before POSTCOPY_ADVISE");
  }
  auto step = std::ranges::find(kOrder, command.type);
  if (step == kOrder.end()) return;
  auto number = static_cast<size_t>(step - kOrder.begin());
  if (number != postcopy_steps_) {
    log_.tell(command.offset,
              fmt::format("command {} is out of order here", name_of(command.type)));
  }
  postcopy_steps_ = number + 1;
}

// A file cannot answer, and has no source that still runs.
void CommandChecks::check_connection(const Command& command) {
  switch (command.type) {
    case CommandType::OpenReturnPath:
      has_return_path_ = true;
      break;
    case CommandType::Ping:
      if (has_return_path_) break;
      log_.tell(command.offset, "command PING stands before OPEN_RETURN_PATH");
      return;
    case CommandType::PostcopyRun:
      break;
    case CommandType::PostcopyResume:
      log_.tell(command.offset, "command POSTCOPY_RESUME stands outside of a recovery",
                LoadEffect::Ignored);  // QEMU says so, and goes on
      return;
    case CommandType::EnableColo:
    case CommandType::RecvBitmap:
      log_.require(command.offset,
                   fmt::format("the command {} wants a connection to a running source",
                               name_of(command.type)),
                   LoadEffect::Refused);
      return;
    default:
      return;
  }
  log_.require(
      command.offset,
      fmt::format("the command {} wants a connection that goes both ways", name_of(command.type)),
      LoadEffect::Depends);
}

}  // namespace vmstream
