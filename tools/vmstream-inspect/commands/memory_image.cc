// SPDX-License-Identifier: MIT
// extract physical, core, kdump, lime, avml: the guest's memory as files of other tools.
#include <vmstream/memory_image.h>

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <vmstream/file_digest.h>
#include <vmstream/text.h>
#include "common/json_text.h"
#include "common/output.h"
#include "common/progress.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/commands/saved_guest.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmstream::Errc;
using vmstream::Error;
using vmstream::escape;
using vmstream::MemoryImageForm;
using vmstream::MemoryImageInfo;
using vmstream::OutputFile;
using vmstream::Result;
using vmstream::Status;
using vmtools::ExitStatus;
using vmtools::Session;

namespace {

// Of an image that may be sparse: beyond this, tools that read all of it do not end.
constexpr uint64_t kMostApparent = uint64_t{1} << 40;

struct FormWord {
  Part part;
  MemoryImageForm form;
  std::string_view word;
};

constexpr FormWord kForms[] = {
    {Part::Physical, MemoryImageForm::Physical, "physical"},
    {Part::Core, MemoryImageForm::Core, "core"},
    {Part::Kdump, MemoryImageForm::Kdump, "kdump"},
    {Part::Lime, MemoryImageForm::Lime, "lime"},
    {Part::Avml, MemoryImageForm::Avml, "avml"},
};

const FormWord& form_of(Part part) {
  return *std::ranges::find(kForms, part, &FormWord::part);
}

vmstream::KdumpCompression compression_of(PageCompression compression) {
  switch (compression) {
    case PageCompression::Zlib:
      return vmstream::KdumpCompression::Zlib;
    case PageCompression::Lzo:
      return vmstream::KdumpCompression::Lzo;
    case PageCompression::Zstd:
      break;
  }
  return vmstream::KdumpCompression::Zstd;
}

std::string utc_text(std::chrono::system_clock::time_point time) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch());
  return vmtools::date_text(seconds.count()) + "Z";
}

std::string_view name_of(PageCompression compression) {
  switch (compression) {
    case PageCompression::Zlib:
      return "zlib";
    case PageCompression::Lzo:
      return "lzo";
    case PageCompression::Zstd:
      break;
  }
  return "zstd";
}

bool wants_registers(Part part) {
  return part == Part::Core || part == Part::Kdump;
}

bool is_wanted(const vmstream::SectionHeader& header) {
  return vmstream::holds_registers(header) || header.idstr == "vmcoreinfo";
}

// Where the device vmcoreinfo says the guest's note is.
std::optional<uint64_t> find_note_address(const vmstream::DeviceCollector& devices) {
  for (const auto& section : devices.sections()) {
    if (section.header.idstr != "vmcoreinfo") continue;
    auto device = devices.decode(section);
    auto found = vmstream::find_field(device.state, "vmcoreinfo.paddr");
    if (found.field && found.field->as_unsigned() != 0) return found.field->as_unsigned();
  }
  return std::nullopt;
}

class ImageExtraction {
 public:
  ImageExtraction(Session& session, const InspectOptions& options)
      : session_(session), options_(options) {}

  ExitStatus run() {
    if (auto checked = check(); !checked) return fail(checked.error());
    auto guest = open_guest(session_, options_, IndexTrust::None, is_wanted);
    if (!guest) return fail(guest.error());
    auto info = write(*guest);
    if (!info) return fail(info.error());
    if (file_) {
      if (auto committed = file_->commit_file(); !committed) {
        return session_.fail(*options_.output, committed.error());
      }
    }
    tell(*info);
    if (auto recorded = write_record(*guest, *info); !recorded) {
      return session_.fail(*options_.record, recorded.error());
    }
    if (auto reported = report(*guest, *info); !reported) {
      return session_.fail(*options_.output, reported.error());
    }
    return ExitStatus::Done;
  }

 private:
  ExitStatus fail(const Error& error) { return session_.fail(shown_name(options_), error); }

  Status check();
  Result<MemoryImageInfo> write(SavedGuest& guest);
  Status open_output(const vmstream::PhysicalMap& map);
  void tell(const MemoryImageInfo& info);
  Status report(const SavedGuest& guest, const MemoryImageInfo& info);
  Status write_record(const SavedGuest& guest, const MemoryImageInfo& info);
  Result<std::string> digest_of(const std::string& path) const;
  ordered_json describe(const SavedGuest& guest, const MemoryImageInfo& info);

  Session& session_;
  const InspectOptions& options_;
  const FormWord& form_ = form_of(options_.part);
  std::unique_ptr<OutputFile> file_;
  const std::chrono::system_clock::time_point begun_ = std::chrono::system_clock::now();
};

Status ImageExtraction::check() {
  if (!options_.output) return Error{Errc::Usage, "extract wants -o FILE"};
  if (*options_.output != "-") {
    return vmstream::require_other_file(*options_.output,
                                        vmstream::StateName::parse(options_.file).file);
  }
  if (options_.part == Part::Physical || options_.part == Part::Kdump) {
    return Error{.code = Errc::Usage,
                 .message = "an image is written by position, stdout cannot take it",
                 .hint = "give a file with -o FILE; core, lime and avml go through a pipe"};
  }
  if (options_.record) return Error{Errc::Usage, "--record wants -o FILE, not -"};
  return vmtools::refuse_binary_to_terminal(STDOUT_FILENO, options_.force);
}

Status ImageExtraction::open_output(const vmstream::PhysicalMap& map) {
  auto stretches = vmstream::image_stretches(map, options_.with_firmware);
  uint64_t end = stretches.empty() ? 0 : stretches.back().end();
  if (options_.part == Part::Physical && end > kMostApparent && !options_.force) {
    return Error{.code = Errc::Refused,
                 .message = fmt::format("the image would seem to have {:#x} bytes", end),
                 .hint = "extract core or extract lime has no holes; --force writes it"};
  }
  auto overwrite = options_.force ? vmstream::Overwrite::Replace : vmstream::Overwrite::Refuse;
  auto file = OutputFile::create(*options_.output, overwrite, session_.limits());
  if (!file) return file.error();
  file_ = std::move(*file);
  return vmstream::ok();
}

Result<MemoryImageInfo> ImageExtraction::write(SavedGuest& guest) {
  vmtools::Progress progress(session_, "extract");
  vmstream::MemoryImageOptions how{
      .form = form_.form,
      .compression = compression_of(options_.compression),
      .vmcoreinfo_address = find_note_address(*guest.devices.collector),
      .with_firmware = options_.with_firmware,
      .threads = options_.common.threads,
      .on_progress = [&progress](uint64_t done, uint64_t total) {
        progress.update({.stream_bytes = done, .guest_bytes = total, .page_bytes = done});
      }};
  if (wants_registers(options_.part)) {
    auto cpus = vmstream::read_cpu_registers(*guest.devices.collector);
    if (!cpus) return cpus.error();
    how.cpus = std::move(*cpus);
  }
  if (*options_.output == "-") {
    auto out = vmstream::make_fd_sink(STDOUT_FILENO, session_.limits());
    return vmstream::stream_memory_image(guest.memory->file, guest.map, *out, how);
  }
  if (auto opened = open_output(guest.map); !opened) return opened.error();
  return vmstream::write_memory_image(guest.memory->file, guest.map, *file_, how);
}

void ImageExtraction::tell(const MemoryImageInfo& info) {
  if (info.absent_pages > 0) {
    session_.messages().warning(
        *options_.output,
        fmt::format("{} pages were never sent; they are zero here", info.absent_pages));
  }
  session_.messages().detail(fmt::format(
      "{}: {} bytes of memory, {} processors, {}", form_.word, info.memory_bytes, info.processors,
      info.linux_release ? "Linux " + *info.linux_release
                         : std::string("no note of a Linux kernel")));
}

ordered_json ImageExtraction::describe(const SavedGuest& guest, const MemoryImageInfo& info) {
  auto json = opening_json("vmstream.extract/1", guest.devices.reading.subject);
  json["part"] = form_.word;
  json["output"] = escape(*options_.output);
  json["bytes"] = nullptr;
  json["memory_bytes"] = info.memory_bytes;
  json["absent_pages"] = info.absent_pages;
  json["map_proved"] = guest.map.is_proved();
  json["processors"] = info.processors;
  json["linux_release"] =
      info.linux_release ? ordered_json(*info.linux_release) : ordered_json(nullptr);
  json["kernel_segment"] = info.has_kernel_segment;
  return json;
}

Result<std::string> ImageExtraction::digest_of(const std::string& path) const {
  auto source = vmstream::open_file_source(path, session_.limits());
  if (!source) return source.error();
  return vmstream::FileDigest(std::move(*source)).finish();
}

Status ImageExtraction::report(const SavedGuest& guest, const MemoryImageInfo& info) {
  if (!file_ || !options_.common.json) return vmstream::ok();
  auto json = describe(guest, info);
  std::error_code unknown;
  json["bytes"] = std::filesystem::file_size(*options_.output, unknown);
  auto digest = digest_of(*options_.output);
  if (!digest) return digest.error();
  json["sha256"] = *digest;
  json["complete"] = true;
  vmtools::print_json(json);
  return vmstream::ok();
}

// What somebody else needs to do it again and to see that it gives the same.
Status ImageExtraction::write_record(const SavedGuest& guest, const MemoryImageInfo& info) {
  if (!options_.record) return vmstream::ok();
  auto json = describe(guest, info);
  json["schema"] = "vmstream.record/1";
  json["tool"] = {{"name", "vmstream-inspect"}, {"version", vmstream::version()}};
  json["command"] = {{"part", form_.word},
                     {"places", options_.places},
                     {"compress", name_of(options_.compression)},
                     {"with_firmware", options_.with_firmware}};
  json["begun"] = utc_text(begun_);
  json["ended"] = utc_text(std::chrono::system_clock::now());
  std::error_code unknown;
  auto name = vmstream::StateName::parse(options_.file).file;
  json["input_sha256"] = nullptr;
  if (std::filesystem::is_regular_file(name, unknown)) {
    auto input = digest_of(name);
    if (!input) return input.error();
    json["input_sha256"] = *input;
  }
  json["stream_sha256"] = vmtools::or_null(guest.memory->sha256);
  auto output = digest_of(*options_.output);
  if (!output) return output.error();
  json["bytes"] = std::filesystem::file_size(*options_.output, unknown);
  json["output_sha256"] = *output;
  json["notes"] = guest.map.notes();
  json["problems"] = problems_json(guest.devices.summary.problems);
  auto overwrite = options_.force ? vmstream::Overwrite::Replace : vmstream::Overwrite::Refuse;
  auto file = OutputFile::create(*options_.record, overwrite, session_.limits());
  if (!file) return file.error();
  std::string text = vmtools::json_text(json, 2) + "\n";
  auto written = (*file)->write(std::as_bytes(std::span(text)));
  return written ? (*file)->commit_file() : written;
}

}  // namespace

ExitStatus extract_image(Session& session, const InspectOptions& options) {
  return ImageExtraction(session, options).run();
}

}  // namespace vminspect
