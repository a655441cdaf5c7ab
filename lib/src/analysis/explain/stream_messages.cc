// SPDX-License-Identifier: MIT
// Messages about the head of a stream and its RAM; message_explainer.cc has those about sections.
#include <fmt/format.h>

#include "analysis/explain/message_explainer.h"

#include <vmstream/text.h>

namespace vmstream::analysis {

using Words = MessageExplainer::Words;

// ---- The head of the stream ------------------------------------------------------------------

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
  constexpr uint64_t kHeaderBytes = 8;
  if (found_.summary.configuration) {
    not_found(advice_.size(), "a stream without configuration");
    return;
  }
  say(kHeaderBytes,
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

// ---- RAM -------------------------------------------------------------------------------------

void MessageExplainer::block_length(const Words& words) {
  auto block = find_block(words[0]);
  if (block == nullptr) {
    not_found(advice_.size(), fmt::format("RAM block '{}'", escape(words[0])));
    return;
  }
  say(block->offset,
      fmt::format("The entry of RAM block '{}' stands here, its length {:#x} ({}) at {:#x}. The "
                  "destination has it with another length: give it the memory size (-m), or the "
                  "firmware or device ROM, of the source.",
                  escape(block->name), block->used_length, format_size(block->used_length),
                  block->offset + 1 + block->name.size()));
}

void MessageExplainer::unknown_block(const Words& words) {
  auto block = find_block(words[0]);
  if (block == nullptr) {
    not_found(advice_.size(), fmt::format("RAM block '{}'", escape(words[0])));
    return;
  }
  say(block->offset, fmt::format("The entry of RAM block '{}' ({} bytes) stands here. The "
                                 "destination has no such block: the device or memory backend "
                                 "that brings it is missing, or stands in another slot.",
                                 escape(block->name), block->used_length));
}

void MessageExplainer::page_size(const Words& words) {
  auto block = find_block(words[0]);
  if (block == nullptr) {
    not_found(advice_.size(), fmt::format("RAM block '{}'", escape(words[0])));
    return;
  }
  say(block->offset,
      fmt::format("The entry of RAM block '{}' stands here. Its pages have {} bytes, those of the "
                  "destination {}: back it by the same huge pages.",
                  escape(block->name), escape(words[2]), escape(words[1])));
}

void MessageExplainer::page_record(const Words&) {
  size_t told = advice_.size();
  if (!say_damage()) not_found(told, "a page record that cannot be read");
}

void MessageExplainer::xbzrle(const Words&) {
  if (!say_damage()) say_first(PageKind::Xbzrle, "The first XBZRLE page stands here");
}

void MessageExplainer::compressed(const Words&) {
  say_first(PageKind::Compressed,
            "The first compressed page stands here: the destination needs the capability compress, "
            "set before the load, or the flags of the page are damaged");
}

void MessageExplainer::general(const Words& words) {
  if (!advice_.empty() || say_damage()) return;
  say(std::nullopt,
      fmt::format("This line alone tells only the kind of error ({}). The line that QEMU prints "
                  "before it names the section.",
                  escape(words[0])));
}

}  // namespace vmstream::analysis
