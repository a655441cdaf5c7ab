// SPDX-License-Identifier: MIT
// Messages about what moves in passes: RAM, its blocks and its pages; disks and their bitmaps.
#include <fmt/format.h>

#include "analysis/explain/message_explainer.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream {

// The entry of a block in the list at the start of the RAM.
bool MessageExplainer::say_block(const std::string& name, std::string_view text) {
  auto block = find_block(name);
  if (block == nullptr) {
    miss_thing(fmt::format("RAM block '{}'", escape(name)));
    return false;
  }
  say(block->offset,
      fmt::format("The entry of RAM block '{}' stands here, its length {:#x} ({}) at {:#x}. {}",
                  escape(block->name), block->used_length, format_size(block->used_length),
                  block->offset + 1 + block->name.size(), text));
  return true;
}

void MessageExplainer::block_length(const Words& words) {
  auto block = find_block(words[0]);
  auto length = parse_hex_number(words[1]);
  bool same = block == nullptr || !length || *length == block->used_length;
  say_block(words[0], same ? "The destination has it with another length: give it the memory size "
                             "(-m), or the firmware or device ROM, of the source. Or the length is "
                             "damaged."
                           : fmt::format("The message has {} for it: it is of another file.",
                                         escape(words[1])));
}

// The list is as long as its blocks: where that is wrong, QEMU reads what stands behind as an
// entry.
void MessageExplainer::say_list_length() {
  uint64_t sum = 0;
  for (const auto& summary : found_.summary.blocks) sum += summary.block.used_length;
  say(found_.summary.blocks.front().block.offset - wire::kRamWordBytes,
      fmt::format(
          "The length of all RAM blocks stands here: {:#x}. Those that are listed have {:#x} "
          "together: one of the lengths is damaged.",
          found_.summary.ram_bytes, sum));
}

void MessageExplainer::unknown_block(const Words& words) {
  if (words[0].empty() && !found_.summary.blocks.empty()) {
    say_list_length();
    return;
  }
  if (say_block(words[0],
                "The destination has no such block: the device or memory backend that brings it is "
                "missing, or stands in another slot.")) {
    return;
  }
  say_ram_damage(fmt::format("'{}'", escape(words[0])));
}

void MessageExplainer::page_size(const Words& words) {
  auto block = find_block(words[0]);
  auto size = parse_number(words[2]);
  if (block == nullptr || block->page_size != size) {
    miss_thing(
        fmt::format("RAM block '{}' with pages of {} bytes", escape(words[0]), escape(words[2])));
    return;
  }
  say_block(words[0],
            fmt::format("Its pages have {} bytes, those of the destination {}: back it by "
                        "the same huge pages.",
                        escape(words[2]), escape(words[1])));
}

void MessageExplainer::guest_address(const Words& words) {
  say_block(words[0],
            "The destination has it at another guest address: start it with the same devices, in "
            "the same slots.");
}

void MessageExplainer::page_flags(const Words& words) {
  auto flags = parse_hex_number(words[0]).value_or(0);
  auto compressed = found_.pages.find(PageKind::Compressed);
  if ((flags & wire::kRamCompressPage) != 0 && compressed != found_.pages.end()) {
    say(compressed->second,
        "The first compressed page stands here. QEMU 9.1 and later cannot load such pages; 2.4 to "
        "9.0 can, with the capability compress set before the load.");
    return;
  }
  if ((flags & wire::kRamMultifdFlush) != 0 && found_.multifd_flush) {
    say(found_.multifd_flush,
        "The record MULTIFD_FLUSH stands here, which QEMU 8.1 and later know: the RAM was sent "
        "over several channels (multifd).");
    return;
  }
  if ((flags & wire::kRamHook) != 0 && found_.hook) {
    say(found_.hook, "The RAM went over RDMA: this record, of which only RDMA knows, stands here.");
    return;
  }
  if (!say_ram_damage("is no ram record")) {
    miss_thing(fmt::format("a page record with the flags {}", escape(words[0])));
  }
}

void MessageExplainer::page_offset(const Words& words) {
  auto offset = parse_hex_number(words[0]).value_or(0);
  if (!say_ram_damage(fmt::format("page {:#x} is past the end", offset))) {
    miss_thing(fmt::format("a page at {:#x}", offset));
  }
}

void MessageExplainer::page_block(const Words& words) {
  if (!say_ram_damage(fmt::format("page of block '{}'", escape(words[0])))) {
    miss_thing(fmt::format("a page of RAM block '{}', which is not listed", escape(words[0])));
  }
}

// Its name is empty.
void MessageExplainer::page_of_no_block(const Words&) {
  page_block({""});
}

void MessageExplainer::page_without_block(const Words&) {
  if (!say_ram_damage("none was named")) {
    miss_thing("a page that continues a RAM block, though none was named");
  }
}

void MessageExplainer::page_cut(const Words&) {
  ended_early({"-5"});
}

void MessageExplainer::fill_page(const Words&) {
  say_first(PageKind::Fill,
            "The first page of one repeated byte that is not 0 stands here: QEMU 9.0 and later "
            "refuse such pages");
}

void MessageExplainer::xbzrle(const Words&) {
  if (say_damage(find_damage("section 'ram' ", "xbzrle"))) return;
  for (const Problem& problem : found_.summary.problems.kept()) {
    if (problem.message.find("xbzrle") == std::string::npos) continue;
    say(problem.offset, fmt::format("An XBZRLE page is wrong here: {}.", problem.message));
    return;
  }
  say_first(PageKind::Xbzrle,
            "The first XBZRLE page stands here; it or a later one cannot be decoded");
}

void MessageExplainer::compressed(const Words&) {
  say_first(PageKind::Compressed,
            "The first compressed page stands here: the destination needs the capability compress, "
            "set before the load, or the flags of the page are damaged");
}

void MessageExplainer::mapped_ram(const Words&) {
  if (say_ram_damage("mapped-ram")) return;
  for (const auto& summary : found_.summary.blocks) {
    if (!summary.block.mapped) continue;
    say_around(summary.block.offset,
               "The entry of the first RAM block stands here, with the places of its bitmap and "
               "pages in the file (mapped-ram).");
    return;
  }
  miss_thing("mapped-ram");
}

void MessageExplainer::multifd(const Words&) {
  if (found_.multifd_flush) {
    say_around(
        found_.multifd_flush,
        "The RAM was sent over several channels (multifd); the record that tells to wait for "
        "them stands here. The message is about one of the other channels.");
    return;
  }
  miss(
      "The message is about a channel of multifd. This stream has no sign of it: it is of another "
      "file, or the destination has the capability multifd and the source had not.");
}

void MessageExplainer::dirty_bitmap(const Words&) {
  constexpr std::string_view kIdstr = "dirty-bitmap";
  say_damage(find_damage(fmt::format("section '{}' ", kIdstr)));
  say_iterable(std::string(kIdstr),
               "Dirty bitmaps of disks are in this section, which starts here; the destination's "
               "disks must have the same names, and none of these bitmaps");
  miss_thing("dirty bitmaps of disks");
}

void MessageExplainer::block_device(const Words&) {
  say_damage(find_damage("section 'block' "));
  say_iterable("block",
               "Disks are in this section (block migration), which starts here; the destination's "
               "disks must have the same names and sizes");
  miss_thing("disks");
}

}  // namespace vmstream
