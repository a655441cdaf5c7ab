// SPDX-License-Identifier: MIT
// Messages about commands to the receiver.
#include <fmt/format.h>

#include "analysis/explain/message_explainer.h"

#include <vmstream/text.h>

namespace vmstream::analysis {
namespace {

std::optional<CommandType> command_named(std::string_view name) {
  for (uint16_t number = 0; number <= static_cast<uint16_t>(CommandType::SwitchoverStart);
       ++number) {
    auto type = static_cast<CommandType>(number);
    if (name_of(type) == name) return type;
  }
  return std::nullopt;
}

}  // namespace

// Those of the type, and of the length where one is told.
void MessageExplainer::say_commands(CommandType type, std::optional<uint64_t> length,
                                    std::string_view text) {
  for (const CommandPlace& command : found_.command_list) {
    if (command.type != type || (length && *length != command.length)) continue;
    say(command.offset,
        fmt::format("The command {} ({:#x}) stands here, with {} bytes. {}", name_of(type),
                    static_cast<unsigned>(type), command.length, text));
    return;  // QEMU does not come to another one
  }
  miss_thing(fmt::format("a command {} ({:#x})", name_of(type), static_cast<unsigned>(type)));
}

void MessageExplainer::unknown_command(const Words& words) {
  auto type = parse_number(words[0]);
  auto length = parse_number(words[1]);
  if (!type || *type > UINT16_MAX) return;
  say_commands(static_cast<CommandType>(*type), length,
               name_of(static_cast<CommandType>(*type)) == "unknown"
                   ? "No release knows it: it is damaged, or what stands in front of it is."
                   : "The destination is older than this command.");
}

void MessageExplainer::command_length(const Words& words) {
  auto type = command_named(words[0]);
  if (!type) {
    miss_thing(fmt::format("a command '{}'", escape(words[0])));
    return;
  }
  say_commands(
      *type, parse_number(words[2]),
      fmt::format("QEMU wants {}: the length or the command is damaged.", escape(words[1])));
}

void MessageExplainer::named_command(const Words& words) {
  auto type = command_named(words[0]);
  if (!type) {
    miss_thing(fmt::format("a command '{}'", escape(words[0])));
    return;
  }
  bool wants_answer = *type == CommandType::OpenReturnPath || *type == CommandType::Ping;
  say_commands(*type, std::nullopt,
               wants_answer ? "It wants an answer, which takes a two-way connection: give the file "
                              "through vmrestore, which leaves it out."
                            : "The destination could not carry it out at this place.");
}

void MessageExplainer::postcopy_advice(const Words&) {
  say_commands(CommandType::PostcopyAdvise, std::nullopt,
               "It gives the source's page sizes. The destination must have the same, and the "
               "capability postcopy-ram set as the source had it.");
}

void MessageExplainer::package(const Words&) {
  say_commands(CommandType::Packaged, std::nullopt,
               "Its length is not possible, or the stream ends within the package.");
}

}  // namespace vmstream::analysis
