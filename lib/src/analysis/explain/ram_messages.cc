// SPDX-License-Identifier: MIT
// Messages about RAM: its blocks and its pages.
#include <fmt/format.h>

#include "analysis/explain/message_explainer.h"

#include <vmstream/text.h>

namespace vmstream::analysis {

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

}  // namespace vmstream::analysis
