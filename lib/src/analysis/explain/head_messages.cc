// SPDX-License-Identifier: MIT
// Messages about a stream as a whole: its head, its configuration, its description.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>

#include "analysis/explain/message_explainer.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream::analysis {
namespace {

std::string uuid_text(const std::array<std::byte, 16>& uuid) {
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

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

}  // namespace vmstream::analysis
