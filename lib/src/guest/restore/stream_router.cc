// SPDX-License-Identifier: MIT
#include "guest/restore/stream_router.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "base/byte_reader.h"
#include "format/ram/target_page.h"
#include "format/wire.h"

namespace vmstream {
namespace {

std::string name_of_command(const Command& command) {
  return fmt::format("command {} ({})", static_cast<unsigned>(command.type), name_of(command.type));
}

// It reads an address behind each block; the stream has none, or does not say so.
Error differs_about_shared(uint64_t offset) {
  return Error{.code = Errc::Unsupported,
               .message =
                   "QEMU has the capability x-ignore-shared on, and the stream has no "
                   "configuration that could tell whether it was saved so",
               .offset = offset,
               .hint = "switch the capability off in the QEMU that takes the guest"};
}

}  // namespace

// Older streams are no sections: QEMU would read all of them as it comes.
Status StreamRouter::on_header(const StreamHeader& header) {
  page_bytes_ = certain_page_bytes(nullptr, options_.target);
  if (header.version == wire::kSectionedVersion) return ok();
  in_order_ = true;
  turn(wire::kHeaderBytes, options_.hold_back == HoldBack::End ? Route::Decide : Route::Hold);
  return ok();
}

Status StreamRouter::on_configuration(const Configuration& configuration) {
  configured_ = true;
  memory_.on_configuration(configuration);
  page_bytes_ = certain_page_bytes(&configuration, options_.target);
  // Releases differ in what a capability adds to the list of blocks.
  if (configuration.capabilities && !configuration.capabilities->empty()) doubt();
  return ok();
}

// QEMU may find other records in the memory than the parser does: then that waits too.
void StreamRouter::doubt() {
  if (options_.hold_back != HoldBack::End) in_order_ = true;
}

// The devices of a package are read while most of the memory is still to come: that goes first.
Route StreamRouter::route_of(SectionPlace place) {
  bool memory = place == SectionPlace::Memory;
  if (memory && !page_bytes_) doubt();
  if (options_.hold_back == HoldBack::End) {
    return memory || !opened_package_ ? Route::Pass : Route::Hold;
  }
  if (place == SectionPlace::Device && !in_package_) in_order_ = true;
  if (!in_order_ && (memory || place == SectionPlace::EarlyDevice)) return Route::Pass;
  something_waits_ = true;
  return Route::Hold;
}

// QEMU 10 puts one in front of the end of the memory: a usual stream is to stay as it is.
Route StreamRouter::route_of_harmless() {
  bool may_pass = options_.hold_back == HoldBack::AllButMemory && !something_waits_;
  return may_pass ? Route::Pass : route_of(SectionPlace::Aside);
}

// Only what QEMU cannot take for anything else may pass.
bool StreamRouter::is_sure(const SectionHeader& header) const {
  if (header.instance_id != 0) return false;
  if (place_ == SectionPlace::Memory) return !memory_begun_;
  constexpr uint32_t kEarlyVersion = 1;
  return header.version_id == kEarlyVersion && !pages_begun_;
}

// QEMU gives a PART to the first of its handlers that was loaded under its id.
Status StreamRouter::note_section(const SectionHeader& header) {
  if (auto possible = check_section(header); !possible) return possible;
  bool opens = header.type == SectionType::Start || header.type == SectionType::Full;
  if (!opens) return ok();
  if (!used_ids_.insert(header.section_id).second) {
    return malformed(header.offset, fmt::format("section '{}' has the id {} of an earlier one",
                                                escape(header.idstr), header.section_id));
  }
  bool would_pass = place_ == SectionPlace::Memory || place_ == SectionPlace::EarlyDevice;
  if (would_pass && !is_sure(header)) doubt();
  memory_begun_ |= place_ == SectionPlace::Memory;
  return ok();
}

Status StreamRouter::on_section(const SectionHeader& header) {
  place_ = place_of_section(header);
  memory_.on_section(header);
  if (auto noted = note_section(header); !noted) return noted;
  section_offset_ = header.offset;
  in_start_ = header.type == SectionType::Start;
  if (in_package_) {
    if (auto status = check_in_package(header); !status) return status;
  }
  if (place_ == SectionPlace::EarlyDevice) return on_early_device(header);
  if (place_ == SectionPlace::Memory && in_start_) undecided_from_ = header.offset;
  if (!undecided_from_) turn(header.offset, route_of(place_));
  return ok();
}

Route StreamRouter::decide_memory() {
  undecided_from_.reset();
  Route route = route_of(SectionPlace::Memory);
  turn(section_offset_, route);
  return route;
}

Status StreamRouter::check_in_package(const SectionHeader& header) const {
  if (header.type != SectionType::Full) {
    return Error{Errc::Unsupported,
                 fmt::format("section '{}' in a package is none of a device", escape(header.idstr)),
                 header.offset};
  }
  if (!has_run_) return ok();
  return malformed(header.offset,
                   fmt::format("section '{}' stands behind POSTCOPY_RUN", escape(header.idstr)));
}

// The route is known with the body.
Status StreamRouter::on_early_device(const SectionHeader& header) {
  if (options_.hold_back != HoldBack::AllUnsigned || in_order_) return ok();
  return Error{.code = Errc::Refused,
               .message = fmt::format("section '{}' is device state that QEMU needs before the "
                                      "memory, and no signature has been checked yet",
                                      escape(header.idstr)),
               .offset = header.offset,
               .hint = "give the file by its name: it is then read twice"};
}

Status StreamRouter::on_ram_blocks(const RamBlockList& list) {
  // Pages that stand between the entries of the list no QEMU takes from a connection.
  if (!list.blocks.empty() && list.blocks.back().mapped) {
    return Error{
        .code = Errc::Unsupported,
        .message = "a mapped-ram stream must be read by position",
        .offset = list.offset,
        .hint = "unpack it first: vmstream-inspect extract stream FILE -o X, then restore X"};
  }
  if (std::exchange(listed_, true)) {
    return malformed(list.offset, "the list of RAM blocks comes again");
  }
  blocks_ = list.blocks;
  memory_.on_ram_blocks(list);
  bool plain = std::ranges::all_of(blocks_, [this](const RamBlock& block) {
    return is_plain_name(block.name) && (advised_ || !block.page_size);
  });
  if (!configured_ && options_.ignores_shared == true) return differs_about_shared(list.offset);
  bool may_have_addresses = !configured_ && !options_.ignores_shared;
  if (!plain || may_have_addresses) doubt();
  if (!page_bytes_ && options_.target.empty()) page_bytes_ = certain_page_bytes(list);
  if (!undecided_from_) return ok();
  Route route = decide_memory();
  for (const RamBlock& block : blocks_) {
    if (!block.page_size || !advised_) continue;
    uint64_t at = block.offset + 1 + block.name.size() + sizeof(uint64_t);
    drop(at);
    turn(at + sizeof(uint64_t), route);
  }
  return ok();
}

// Were the sizes different, QEMU would find other records in the bytes than have been looked at.
Status StreamRouter::on_page(const Page& page) {
  pages_begun_ = true;
  memory_.on_page(page);
  if (undecided_from_) decide_memory();
  if (page_bytes_ && page.size != *page_bytes_) {
    return malformed(page.offset, fmt::format("a page of {} bytes, those of this machine have {}",
                                              page.size, *page_bytes_));
  }
  ledger_.arrive(page);
  return ok();
}

// A START without a block list.
Status StreamRouter::on_ram_mark(RamMark, uint64_t) {
  if (undecided_from_) decide_memory();
  return ok();
}

Status StreamRouter::on_body(uint64_t offset, std::span<const std::byte> bytes) {
  if (place_ == SectionPlace::EarlyDevice) {
    if (!is_early_device_body(bytes)) place_ = SectionPlace::Device;
    turn(section_offset_, route_of(place_));
  }
  return place_ == SectionPlace::Disks ? on_block_record(offset, bytes) : ok();
}

// The first record that carries a chunk decides; what follows it may be the chunk itself.
Status StreamRouter::on_block_record(uint64_t offset, std::span<const std::byte> bytes) {
  if (disks_touched_ || bytes.size() < sizeof(uint64_t)) return ok();
  uint64_t word = ByteReader(bytes).be<uint64_t>("block record");
  if ((word & wire::kBlockDevice) == 0) return ok();
  disks_touched_ = true;
  if (!options_.write_disks) {
    return Error{.code = Errc::Refused,
                 .message = "the stream carries contents of disks, which a restore would write",
                 .offset = offset,
                 .hint = "--write-disks lets it overwrite the disks of the QEMU it goes to"};
  }
  if (options_.hold_back == HoldBack::End && !opened_package_) turn(offset, Route::Decide);
  return ok();
}

Status StreamRouter::on_section_end(const SectionHeader&, const SectionEnd& end) {
  guessed_ends_ |= end.bounded_by == BoundedBy::NextHeader;
  return ok();
}

Status StreamRouter::on_command(const Command& command) {
  if (has_run_ && command.type != CommandType::Ping) {
    return malformed(command.offset, name_of_command(command) + " stands behind POSTCOPY_RUN");
  }
  switch (place_of_command(command)) {
    case CommandPlace::Harmless:
      turn(command.offset, route_of_harmless());
      return ok();
    case CommandPlace::Aside:
      turn(command.offset, route_of(SectionPlace::Aside));
      return ok();
    case CommandPlace::Drop:
      drop(command.offset);
      if (command.type == CommandType::PostcopyRun) has_run_ = in_package_;
      return command.type == CommandType::PostcopyAdvise ? on_advice(command) : ok();
    case CommandPlace::Discard:
      return on_discard(command);
    case CommandPlace::Package:
      drop(command.offset);
      in_package_ = opened_package_ = true;
      return ok();
    case CommandPlace::Refuse:
      break;
  }
  return Error{Errc::Unsupported,
               fmt::format("{} of {} bytes has no place in a state file", name_of_command(command),
                           command.payload.size()),
               command.offset};
}

Status StreamRouter::on_advice(const Command& command) {
  advised_ = true;
  ByteReader in(command.payload);
  in.be<uint64_t>("page sizes");
  auto page_bytes = in.be<uint64_t>("target page size");
  if (!page_bytes_ || page_bytes == *page_bytes_) return ok();
  return malformed(command.offset,
                   fmt::format("POSTCOPY_ADVISE gives pages of {} bytes, those of this machine "
                               "have {}",
                               page_bytes, *page_bytes_));
}

Status StreamRouter::on_discard(const Command& command) {
  drop(command.offset);
  return ledger_.discard(command, blocks_, page_bytes_.value_or(kUsualPageBytes));
}

void StreamRouter::drop(uint64_t offset) {
  turn(offset, Route::Drop);
  rebuilt_ = true;
}

Status StreamRouter::on_package_end(uint64_t) {
  in_package_ = has_run_ = false;
  return ok();
}

Status StreamRouter::on_eof(uint64_t offset) {
  turn(offset, Route::Tail);
  end_of_sections_ = offset + 1;
  return ok();
}

Status StreamRouter::on_problem(const Problem& problem) {
  auto& first = problem.in_description ? description_fault_ : contradiction_;
  if (!problem.known_flaw && !first) first = malformed(problem.offset, problem.message);
  return ok();
}

Status StreamRouter::check_whole() const {
  if (contradiction_) return *contradiction_;
  if (auto there = memory_.check(); !there) return there;
  if (!advised_ && !options_.has_memory && memory_.lacks_end()) {
    return malformed(memory_.offset(), fmt::format("section 'ram' has no END, and at least {} "
                                                   "bytes of memory have not come",
                                                   memory_.missing_bytes()));
  }
  return ledger_.check();
}

}  // namespace vmstream
