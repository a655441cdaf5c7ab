// SPDX-License-Identifier: MIT
// Messages about a stream as a whole (its head, its configuration, its description), and about
// commands to the receiver.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>

#include "analysis/explain/message_explainer.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

bool differs_in_one_bit(std::string_view a, std::string_view b) {
  int bits = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    bits += std::popcount(static_cast<uint8_t>(a[i] ^ b[i]));
  }
  return a.size() == b.size() && bits == 1;
}

}  // namespace

void MessageExplainer::not_a_stream(const Words&) {
  if (!found_.summary.header) return;  // the damage at its very start is told of
  say(0,
      "This stream begins with QEVM, as it must. QEMU was given other bytes: a compressed or "
      "encrypted file has to come through vmrestore.");
}

void MessageExplainer::stream_version(const Words&) {
  if (!found_.summary.header) return;
  uint32_t version = found_.summary.header->version;
  say(4, fmt::format("The version of the stream stands here: {}. QEMU wants 3{}.", version,
                     version == 3 ? ": the message is of another file" : ""));
}

void MessageExplainer::say_configuration(std::string_view text) {
  const auto& configuration = found_.summary.configuration;
  if (configuration) {
    say(configuration->offset, fmt::format("The configuration stands here. {}", text));
  } else {
    miss_thing("a configuration");
  }
}

void MessageExplainer::machine(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  if (!configuration) {
    miss_thing("a configuration");
    return;
  }
  if (differs_in_one_bit(configuration->machine, words[1])) {
    say(configuration->offset,
        fmt::format(
            "The machine type '{}' at {:#x} differs in one bit from the destination's '{}': "
            "it is damaged.",
            escape(configuration->machine), configuration->offset + 5, escape(words[1])));
    return;
  }
  bool same = prints_as(configuration->machine, words[0]);
  say(configuration->offset,
      fmt::format(
          "The stream names the machine type '{}' at {:#x}, {}.", escape(configuration->machine),
          configuration->offset + 5,
          same ? fmt::format("but the destination was started as '{}': use -machine {}",
                             escape(words[1]), escape(configuration->machine))
               : fmt::format("and the message '{}': it is of another file", escape(words[0]))));
}

void MessageExplainer::target_page_bits(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  if (!configuration || configuration->target_page_bits != parse_number32(words[0])) {
    miss_thing(fmt::format("target pages of 2^{} bytes", escape(words[0])));
    return;
  }
  say_configuration(
      fmt::format("Target pages of the source have 2^{} bytes, those of the "
                  "destination 2^{}: give it the machine type of the source.",
                  escape(words[0]), escape(words[1])));
}

void MessageExplainer::no_configuration(const Words&) {
  if (found_.summary.configuration) {
    miss_thing("a stream without configuration");
    return;
  }
  say(wire::kHeaderBytes,
      "The configuration would stand here; the stream has none. Start the destination with "
      "-global migration.send-configuration=off.");
}

// "Capability NAME is LOCAL, but received capability is THAT OF THE SOURCE"
void MessageExplainer::capability(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  bool was_on = configuration && configuration->capabilities &&
                std::ranges::find(*configuration->capabilities, words[0]) !=
                    configuration->capabilities->end();
  std::string_view state = was_on ? "on" : "off";
  say_configuration(fmt::format(
      "It lists the source's capabilities: {} was {} there. {}", escape(words[0]), state,
      words[2].starts_with(state) ? "Set it so on the destination before the load."
                                  : "The message has it otherwise: it is of another file."));
}

void MessageExplainer::unknown_capability(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  bool listed = configuration && configuration->capabilities &&
                std::ranges::any_of(*configuration->capabilities, [&](const std::string& name) {
                  return prints_as(name, words[0]);
                });
  if (!listed) {
    miss_thing(fmt::format("a capability '{}'", escape(words[0])));
    return;
  }
  say_configuration(
      fmt::format("It lists the capability '{}', which the destination does not know: "
                  "it is older than the source, or the name is damaged.",
                  escape(words[0])));
}

void MessageExplainer::uuid(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  if (!configuration || !configuration->uuid) {
    miss_thing("a UUID");
    return;
  }
  std::string own = uuid_text(*configuration->uuid);
  say_configuration(fmt::format("It holds the source's UUID: {}. {}", own,
                                words[0].starts_with(own)
                                    ? fmt::format("Start the destination with -uuid {}.", own)
                                    : "The message has another one: it is of another file."));
}

void MessageExplainer::no_local_uuid(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  if (!configuration || !configuration->uuid) {
    miss_thing("a UUID");
    return;
  }
  say_configuration(
      fmt::format("It holds the source's UUID. Start the destination with -uuid {}; "
                  "without any the guest is loaded all the same.",
                  escape(words[0])));
}

// QEMU reads one byte behind EOF. The guest has been loaded by then.
void MessageExplainer::description(const Words& words) {
  if (!found_.eof_offset) {
    miss_thing("what stands behind EOF");
    return;
  }
  say(found_.eof_offset,
      fmt::format(
          "EOF, with which QEMU ends, stands here; behind it the destination found {} instead "
          "of the description. The guest is loaded all the same, as far as the stream goes "
          "in front of this place{}.",
          escape(words[0]),
          found_.summary.vmdesc && found_.vmdesc_offset == *found_.eof_offset + 1
              ? ". Here it has a description: the message is of another file"
              : ""));
}

void MessageExplainer::general(const Words& words) {
  std::string reason = words[0].substr(0, words[0].find(':'));
  reason_ = fmt::format(
      "This line alone tells only the kind of error ({}). The line that QEMU prints "
      "before it names the section.",
      escape(reason));
}

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
  for (const FoundCommand& command : found_.command_list) {
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

}  // namespace vmstream
