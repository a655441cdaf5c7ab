// SPDX-License-Identifier: MIT
// Messages about a stream as a whole: its head, its configuration, its description.
#include <fmt/format.h>

#include "analysis/explain/message_explainer.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream::analysis {

void MessageExplainer::not_a_stream(const Words&) {
  say(0,
      "This stream begins with QEVM, as it must. QEMU was given other bytes: a compressed or "
      "encrypted file has to come through vmrestore.");
}

void MessageExplainer::stream_version(const Words&) {
  if (!found_.summary.header) return;
  say(4, fmt::format("The version of the stream stands here: {}. QEMU wants 3.",
                     found_.summary.header->version));
}

void MessageExplainer::machine(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  if (!configuration) {
    not_found(advice_.size(), "configuration");
    return;
  }
  say(configuration->offset,
      fmt::format("The stream names the machine type '{}' at {:#x}, but the destination was "
                  "started as '{}': use -machine {}.",
                  escape(configuration->machine), configuration->offset + 5, escape(words[1]),
                  escape(configuration->machine)));
}

void MessageExplainer::no_configuration(const Words&) {
  if (found_.summary.configuration) {
    not_found(advice_.size(), "a stream without configuration");
    return;
  }
  say(wire::kHeaderBytes,
      "The configuration would stand here; the stream has none. Start the destination with "
      "-global migration.send-configuration=off.");
}

void MessageExplainer::capability(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  bool on = words[2].starts_with("on");
  say(configuration ? std::optional(configuration->offset) : std::nullopt,
      fmt::format("The configuration, which lists the source's capabilities, stands here: {} was "
                  "{} there. Set it so on the destination before the load.",
                  escape(words[0]), on ? "on" : "off"));
}

void MessageExplainer::uuid(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  bool refused = words.size() > 1;
  say(configuration ? std::optional(configuration->offset) : std::nullopt,
      fmt::format("The configuration, which holds the source's UUID, stands here: start the "
                  "destination with -uuid {}{}.",
                  escape(words[0]),
                  refused ? "" : "; without any the guest is loaded all the same"));
}

void MessageExplainer::description(const Words& words) {
  say(found_.summary.vmdesc ? std::optional(found_.vmdesc_offset) : std::nullopt,
      fmt::format("The destination expects the description behind EOF and found {}. The stream {} "
                  "one. The guest is loaded all the same; only the message is printed.",
                  escape(words[0]), found_.summary.vmdesc ? "has" : "has not"));
}

void MessageExplainer::general(const Words& words) {
  if (!advice_.empty() || say_damage()) return;
  say(std::nullopt,
      fmt::format("This line alone tells only the kind of error ({}). The line that QEMU prints "
                  "before it names the section.",
                  escape(words[0])));
}

}  // namespace vmstream::analysis
