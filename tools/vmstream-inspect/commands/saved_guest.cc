// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/saved_guest.h"

#include <fmt/format.h>

#include <vmstream/indexing.h>
#include <vmstream/text.h>
#include "common/progress.h"
#include "vmstream-inspect/commands/answer.h"

namespace vminspect {

using vmstream::DeviceCollector;
using vmstream::Errc;
using vmstream::Error;
using vmstream::PhysicalMap;
using vmstream::PlacedBlock;
using vmstream::Result;
using vmstream::StateIndex;
using vmstream::Status;
using vmtools::Progress;
using vmtools::Session;

namespace {

constexpr const char* kWayOut = "unpack it first: vmstream-inspect extract stream FILE -o X";

// Reads all of the stream: an index of half of it would leave out what came last.
Result<StateIndex> read_all(Session& session, vmstream::ByteSource& stream) {
  Progress progress(session, "read");
  vmstream::IndexBuilder builder;
  auto scan = vmstream::scan_stream(
      stream, builder,
      {.on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault) return *scan.fault;
  if (!scan.complete()) return scan.gaps.front().fault;
  return builder.finish(scan.plain_bytes, scan.stream_bytes, true);
}

Status make_index(Session& session, vmstream::StateFile& file) {
  auto read = [&](vmstream::ByteSource& stream) { return read_all(session, stream); };
  auto made = file.make_index({.read = read, .for_positions = true});
  return made ? vmstream::ok() : Status(made.error());
}

Error with_way_out(Error error) {
  if (error.code == Errc::Unsupported && error.hint.empty()) error.hint = kWayOut;
  return error;
}

Result<std::vector<PlacedBlock>> read_places(const InspectOptions& options) {
  std::vector<PlacedBlock> places;
  for (const std::string& text : options.places) {
    auto place = PlacedBlock::parse(text);
    if (!place) return place.error();
    places.push_back(std::move(*place));
  }
  return places;
}

// Whether the tables in the guest's memory may tell more.
bool is_open(const Result<PhysicalMap>& map) {
  return !map || !map->unplaced().empty() || !map->notes().empty();
}

Result<SavedGuest> read_guest(Session& session, const InspectOptions& options,
                              const DeviceCollector::Wanted& wanted,
                              std::unique_ptr<OpenedMemory> memory) {
  auto places = read_places(options);
  if (!places) return places.error();
  auto is_wanted = [&](const vmstream::SectionHeader& header) {
    return PhysicalMap::is_wanted(header) || (wanted && wanted(header));
  };
  auto devices = read_devices(session, options, {}, is_wanted);
  if (!devices) return devices.error();
  vmstream::RamImage* image = memory ? &memory->image : nullptr;
  auto map = PhysicalMap::make(*devices->collector, devices->summary, image, *places);
  if (!memory && options.file != "-" && is_open(map)) {
    if (auto opened = open_memory(session, options, IndexTrust::Quick)) {
      memory = std::move(*opened);
      map = PhysicalMap::make(*devices->collector, devices->summary, &memory->image, *places);
    }
  }
  if (!map) return map.error();
  return SavedGuest{std::move(*devices), std::move(memory), std::move(*map)};
}

void tell_of_map(Session& session, const InspectOptions& options, const PhysicalMap& map) {
  for (const std::string& note : map.notes()) {
    session.messages().warning(shown_name(options), note);
  }
  for (const std::string& block : map.unplaced()) {
    session.messages().warning(
        shown_name(options),
        fmt::format("where block '{}' is in memory the state does not tell; --place {}@ADDRESS "
                    "takes it in",
                    vmstream::escape(block), vmstream::escape(block)));
  }
}

}  // namespace

Result<std::unique_ptr<OpenedMemory>> open_memory(Session& session, const InspectOptions& options,
                                                  IndexTrust trust) {
  auto file = open_subject(session, options);
  if (!file) return file.error();
  if (trust == IndexTrust::None) {
    if (auto made = make_index(session, *file); !made) return with_way_out(made.error());
  }
  auto index = file->page_index();
  if (!index) return with_way_out(index.error());
  if (!(*index)->pages || (*index)->facts.blocks.empty()) {
    return Error{Errc::Unsupported, "the pages of this stream cannot be read by position"};
  }
  auto image = file->ram();
  if (!image) return with_way_out(image.error());
  return std::make_unique<OpenedMemory>(OpenedMemory{std::move(*file), std::move(*image)});
}

Result<SavedGuest> map_guest(Session& session, const InspectOptions& options,
                             const DeviceCollector::Wanted& wanted) {
  return read_guest(session, options, wanted, nullptr);
}

Result<SavedGuest> open_guest(Session& session, const InspectOptions& options, IndexTrust trust,
                              const DeviceCollector::Wanted& wanted) {
  auto memory = open_memory(session, options, trust);
  if (!memory) return memory.error();
  auto guest = read_guest(session, options, wanted, std::move(*memory));
  if (guest) tell_of_map(session, options, guest->map);
  return guest;
}

}  // namespace vminspect
