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

Result<std::vector<PlacedBlock>> read_places(const InspectOptions& options) {
  std::vector<PlacedBlock> places;
  for (const std::string& text : options.places) {
    auto place = PlacedBlock::parse(text);
    if (!place) return place.error();
    places.push_back(std::move(*place));
  }
  return places;
}

namespace {

constexpr const char* kWayOut = "unpack it first: vmstream-inspect extract stream FILE -o X";

// Reads all of the stream: an index of half of it would leave out what came last.
Result<StateIndex> read_all(Session& session, vmstream::ByteSource& stream,
                            vmstream::Sha256* digest) {
  Progress progress(session, "read");
  vmstream::IndexBuilder builder;
  auto scan = vmstream::scan_stream(
      stream, builder, {.digest = digest, .on_progress = [&](const vmstream::StreamCounts& counts) {
                          progress.update(counts);
                        }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault) return *scan.fault;
  if (!scan.complete()) return scan.gaps.front().fault;
  return builder.finish(scan.plain_bytes, scan.stream_bytes, true);
}

// Gives the SHA-256 of the plain stream where a record is wanted.
Result<std::string> make_index(Session& session, const InspectOptions& options,
                               vmstream::StateFile& file) {
  std::optional<vmstream::Sha256> digest;
  if (options.record) digest.emplace();
  auto read = [&](vmstream::ByteSource& stream) {
    return read_all(session, stream, digest ? &*digest : nullptr);
  };
  auto made = file.make_index({.read = read, .for_positions = true});
  if (!made) return made.error();
  return digest ? digest->finish() : std::string();
}

// The plain stream of `file` beside the output, without a name.
Result<std::unique_ptr<vmstream::OutputFile>> unpack(Session& session,
                                                     const InspectOptions& options,
                                                     vmstream::StateFile& file) {
  auto stream = file.stream();
  if (!stream) return stream.error();
  auto spool = vmstream::OutputFile::create(*options.output + ".plain", vmstream::Overwrite::Refuse,
                                            session.limits());
  if (!spool) return spool.error();
  for (;;) {
    auto piece = (*stream)->next();
    if (!piece) return piece.error();
    if (piece->empty()) return std::move(*spool);
    if (auto written = (*spool)->write(*piece); !written) return written.error();
  }
}

bool can_unpack(const InspectOptions& options, const Error& error) {
  bool is_form = error.code == Errc::Unsupported || options.file == "-" || options.multifd;
  return is_form && options.output && *options.output != "-";
}

Error with_way_out(Error error) {
  if (error.code == Errc::Unsupported && error.hint.empty()) error.hint = kWayOut;
  return error;
}

// What has no name is opened by its descriptor.
std::string path_of(const vmstream::OutputFile& spool) {
  return fmt::format("/proc/self/fd/{}", spool.descriptor());
}

// Devices of the guest; where its file was unpacked, of that.
Result<DeviceReading> read_its_devices(Session& session, const InspectOptions& options,
                                       const DeviceCollector::Wanted& wanted,
                                       const OpenedMemory* memory) {
  auto schema = read_schema(session, options);
  if (!schema) return schema.error();
  if (memory == nullptr || !memory->spool) return read_devices(session, options, *schema, wanted);
  InspectOptions plain = options;
  plain.file = path_of(*memory->spool);
  plain.multifd = false;
  plain.passphrase = {};  // what has been opened with it needs it no more
  auto devices = read_devices(session, plain, *schema, wanted);
  if (devices) devices->reading.subject = {options.file, memory->containers};
  return devices;
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
  auto devices = read_its_devices(session, options, is_wanted, memory.get());
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
  std::string sha256;
  std::unique_ptr<vmstream::OutputFile> spool;
  std::vector<vmstream::Container> containers;
  if (trust == IndexTrust::None) {
    auto made = make_index(session, options, *file);
    containers = file->containers();
    if (!made && can_unpack(options, made.error())) {
      auto unpacked = unpack(session, options, *file);
      if (!unpacked) return unpacked.error();
      spool = std::move(*unpacked);
      containers = file->containers();
      auto plain = vmstream::StateFile::open(path_of(*spool));
      if (!plain) return plain.error();
      *file = std::move(*plain);
      made = make_index(session, options, *file);
    }
    if (!made) return with_way_out(made.error());
    sha256 = std::move(*made);
  }
  auto index = file->page_index();
  if (!index) return with_way_out(index.error());
  if (!(*index)->pages || (*index)->facts.blocks.empty()) {
    return Error{Errc::Unsupported, "the pages of this stream cannot be read by position"};
  }
  auto image = file->ram();
  if (!image) return with_way_out(image.error());
  return std::unique_ptr<OpenedMemory>(new OpenedMemory{
      std::move(spool), std::move(*file), std::move(*image), std::move(containers), sha256});
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

std::optional<uint64_t> find_note_address(const DeviceCollector& devices) {
  for (const auto& section : devices.sections()) {
    if (section.header.idstr != "vmcoreinfo") continue;
    auto device = devices.decode(section);
    auto found = vmstream::find_field(device.state, "vmcoreinfo.paddr");
    if (found.field && found.field->as_unsigned() != 0) return found.field->as_unsigned();
  }
  return std::nullopt;
}

}  // namespace vminspect
