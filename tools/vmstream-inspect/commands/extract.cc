// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include <vmstream/device_collector.h>
#include <vmstream/extract.h>
#include <vmstream/file_digest.h>
#include <vmstream/output_file.h>
#include <vmstream/physical_map.h>
#include <vmstream/stream_scan.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "common/progress.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/answer.h"

namespace vminspect {

using vmtools::ExitStatus;
using vmtools::print_json;
using vmtools::Progress;
using vmtools::refuse_binary_to_terminal;
using vmtools::Session;

namespace {

using vmstream::ByteSink;
using vmstream::ByteSource;
using vmstream::Errc;
using vmstream::Error;
using vmstream::OutputFile;
using vmstream::Result;
using vmstream::ScanResult;
using vmstream::Status;

// Of a stream that is not complete.
Error first_fault(const ScanResult& scan) {
  return scan.gaps.empty() ? *scan.fault : scan.gaps.front().fault;
}

std::string_view name_of(Part part) {
  switch (part) {
    case Part::Ram:
      return "ram";
    case Part::Block:
      return "block";
    case Part::Section:
      return "section";
    case Part::Vmdesc:
      return "vmdesc";
    case Part::Xml:
      return "xml";
    case Part::Cookie:
      return "cookie";
    case Part::Physical:
    case Part::Core:
    case Part::Kdump:
    case Part::Lime:
    case Part::Avml:  // see extract_image()
    case Part::Stream:
      break;
  }
  return "stream";
}

// Hands on what it reads to a sink as well.
class CopyingSource final : public ByteSource {
 public:
  CopyingSource(ByteSource& source, ByteSink& copy) : source_(source), copy_(copy) {}
  Result<size_t> read(std::span<std::byte> into) override {
    auto count = source_.read(into);
    if (!count) return count;
    if (auto copied = copy_.write(into.first(*count)); !copied) return copied.error();
    return count;
  }
  Result<std::span<const std::byte>> next() override {
    auto piece = source_.next();
    if (!piece) return piece;
    if (auto copied = copy_.write(*piece); !copied) return copied.error();
    return piece;
  }

 private:
  ByteSource& source_;
  ByteSink& copy_;
};

// One run: reads the stream, then publishes the part, if all of it was there. The stream is read
// from front to end, as a restore reads it: whatever an index says, one file gives one guest.
class Extraction {
 public:
  Extraction(Session& session, const InspectOptions& options, vmstream::StateFile& file,
             vmstream::ByteSource& stream)
      : session_(session), options_(options), subject_(file), stream_(stream) {}

  ExitStatus run() {
    auto opened = open_output();
    if (!opened) return session_.fail(options_.output.value_or(""), opened.error());
    switch (options_.part) {
      case Part::Ram:
        return run_ram();
      case Part::Block:
        return run_disk();
      case Part::Section:
        return run_section();
      case Part::Vmdesc:
        return run_vmdesc();
      case Part::Xml:
        return run_text(&vmstream::LibvirtImage::xml);
      case Part::Cookie:
        return run_text(&vmstream::LibvirtImage::cookie);
      default:
        break;
    }
    return run_stream();
  }

 private:
  Status open_output();
  ExitStatus run_ram();
  void warn_of_hole(const vmstream::RamImageInfo& image, const vmstream::PhysicalMap& map);
  Status finish_image(const Result<vmstream::RamImageInfo>& image);
  ExitStatus run_disk();
  ExitStatus run_section();
  ExitStatus run_vmdesc();
  ExitStatus run_stream();
  ExitStatus run_text(std::string vmstream::LibvirtImage::*text);

  ScanResult scan(ByteSource& source, vmstream::StreamVisitor& visitor);
  Status report(const ScanResult& scan) const;
  Result<std::string> digest_output() const;
  ExitStatus end(const ScanResult& scan, const std::function<Status()>& finish);
  ByteSink& sink() {
    if (file_) return *file_;
    return *stdout_;
  }

  Session& session_;
  const InspectOptions& options_;
  vmstream::StateFile& subject_;
  ByteSource& stream_;
  std::unique_ptr<OutputFile> file_;
  std::unique_ptr<ByteSink> stdout_;
  nlohmann::ordered_json facts_ = nlohmann::ordered_json::object();  // of the part
};

Status Extraction::open_output() {
  if (!options_.output) return Error{Errc::Usage, "extract wants -o FILE"};
  if (*options_.output != "-") {
    auto overwrite = options_.force ? vmstream::Overwrite::Replace : vmstream::Overwrite::Refuse;
    auto apart = vmstream::require_other_file(*options_.output,
                                              vmstream::StateName::parse(options_.file).file);
    if (!apart) return apart;
    auto file = OutputFile::create(*options_.output, overwrite, session_.limits());
    if (!file) return file.error();
    file_ = std::move(*file);
    return vmstream::ok();
  }
  if (options_.part == Part::Ram || options_.part == Part::Block) {
    return Error{.code = Errc::Usage,
                 .message = "an image is written by position, stdout cannot take it",
                 .hint = "give a file with -o FILE"};
  }
  stdout_ = vmstream::make_fd_sink(STDOUT_FILENO, session_.limits());
  if (options_.part == Part::Vmdesc) return vmstream::ok();
  if (options_.part == Part::Xml || options_.part == Part::Cookie) {
    bool is_shown = vmtools::is_terminal(STDOUT_FILENO) && !options_.force;
    if (!is_shown) return vmstream::ok();
    return Error{.code = Errc::Refused,
                 .message = "passwords may be in it, which are not for a terminal",
                 .hint = "give a file with -o FILE; --force shows it"};
  }
  return refuse_binary_to_terminal(STDOUT_FILENO, options_.force);
}

ScanResult Extraction::scan(ByteSource& source, vmstream::StreamVisitor& visitor) {
  Progress progress(session_, "extract");
  auto scan = vmstream::scan_stream(
      source, visitor,
      {.on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session_.messages().erase_bar();
  return scan;
}

// A fault elsewhere in the stream does not spoil a part that was there as a whole; it still decides
// the status.
ExitStatus Extraction::end(const ScanResult& scan, const std::function<Status()>& finish) {
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session_.fail(shown_name(options_), *scan.fault);
  }
  auto finished = finish();
  if (!finished) {
    bool broken_off = finished.error().code == Errc::Truncated;
    return session_.fail(shown_name(options_),
                         broken_off && !scan.complete() ? first_fault(scan) : finished.error());
  }
  if (file_) {
    if (auto committed = file_->commit_file(); !committed) {
      return session_.fail(*options_.output, committed.error());
    }
  }
  if (auto reported = report(scan); !reported) {
    return session_.fail(*options_.output, reported.error());
  }
  if (scan.complete()) return ExitStatus::Done;
  session_.messages().warning(*options_.output, "is whole, but the stream it comes from is not");
  return session_.fail(shown_name(options_), first_fault(scan));
}

// Of an image, which was written by position, only the file itself has a digest.
Result<std::string> Extraction::digest_output() const {
  auto source = vmstream::open_file_source(*options_.output, session_.limits());
  if (!source) return source.error();
  return vmstream::FileDigest(std::move(*source)).finish();
}

// Standard output is taken where the part itself goes there.
Status Extraction::report(const ScanResult& scan) const {
  if (!options_.common.json || !file_) return vmstream::ok();
  auto json = opening_json("vmstream.extract/1", {options_.file, subject_.containers()});
  json["part"] = name_of(options_.part);
  json["output"] = vmstream::escape(*options_.output);
  json["bytes"] = nullptr;
  json.update(facts_);
  json["sha256"] = nullptr;
  std::error_code unknown;
  if (std::filesystem::is_regular_file(*options_.output, unknown)) {
    auto digest = digest_output();
    if (!digest) return digest.error();
    json["bytes"] = std::filesystem::file_size(*options_.output, unknown);
    json["sha256"] = *digest;
  }
  json["complete"] = scan.complete();
  print_json(json);
  return vmstream::ok();
}

Status Extraction::finish_image(const Result<vmstream::RamImageInfo>& image) {
  if (!image) return image.error();
  if (image->absent_pages > 0) {
    session_.messages().warning(
        *options_.output, fmt::format("{} pages of the block were never sent; they are zero here",
                                      image->absent_pages));
  }
  facts_ = {{"block", vmstream::escape(image->block)},
            {"bytes", image->bytes},
            {"absent_pages", image->absent_pages}};
  session_.messages().detail(
      fmt::format("RAM block '{}': {} bytes", vmstream::escape(image->block), image->bytes));
  return vmstream::ok();
}

// Most who take a block for the guest's memory do not know of the hole.
void Extraction::warn_of_hole(const vmstream::RamImageInfo& image,
                              const vmstream::PhysicalMap& map) {
  if (map.is_in_one_place(image.block)) return;
  session_.messages().warning(
      *options_.output,
      "the guest has this block at several places of its address space: offsets are no addresses "
      "(extract physical, extract core)");
}

ExitStatus Extraction::run_ram() {
  vmstream::RamExtractor extractor(*file_, options_.block);
  vmstream::DeviceCollector devices(vmstream::PhysicalMap::is_wanted);
  auto done = scan_subject(session_, options_, subject_, stream_, extractor, "extract",
                           vmstream::MappedPages::Content, nullptr, &devices);
  return end(done, [&]() -> Status {
    auto image = extractor.finish();
    if (auto finished = finish_image(image); !finished) return finished;
    auto map = vmstream::PhysicalMap::make(devices, devices.finish(done));
    if (map) warn_of_hole(*image, *map);
    return vmstream::ok();
  });
}

ExitStatus Extraction::run_disk() {
  vmstream::DiskExtractor extractor(*file_, options_.block);
  auto done = scan(stream_, extractor);
  return end(done, [&]() -> Status {
    auto length = extractor.finish();
    if (!length) return length.error();
    facts_ = {{"bytes", *length}};
    session_.messages().detail(fmt::format("disk: {} bytes in chunks of 1 MiB", *length));
    return vmstream::ok();
  });
}

ExitStatus Extraction::run_section() {
  auto choice = vmstream::SectionChoice::parse(options_.section.value_or(""));
  vmstream::SectionExtractor extractor(sink(), choice);
  auto done = scan(stream_, extractor);
  return end(done, [&] { return extractor.finish(); });
}

ExitStatus Extraction::run_vmdesc() {
  vmstream::VmdescExtractor extractor(sink());
  auto done = scan(stream_, extractor);
  return end(done, [&] { return extractor.finish(); });
}

ExitStatus Extraction::run_stream() {
  vmstream::StreamVisitor watcher;
  CopyingSource source(stream_, sink());
  auto done = scan(source, watcher);
  return end(done, [&]() -> Status {
    if (!done.complete()) return first_fault(done);
    return vmstream::ok();
  });
}

// A text of the header of an image; the stream has no part in it.
ExitStatus Extraction::run_text(std::string vmstream::LibvirtImage::*text) {
  for (const auto& container : subject_.containers()) {
    if (!container.libvirt || (*container.libvirt.*text).empty()) continue;
    auto written = sink().write(std::as_bytes(std::span(*container.libvirt.*text)));
    if (!written) return session_.fail(options_.output.value_or(""), written.error());
    return end({}, [] { return vmstream::ok(); });
  }
  return session_.fail(shown_name(options_),
                       Error{Errc::Usage, fmt::format("no {} is in it, which save images of "
                                                      "libvirt have",
                                                      name_of(options_.part))});
}

}  // namespace

ExitStatus extract(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                   vmstream::ByteSource& stream) {
  if (options.part == Part::Section && !options.section) {
    return session.fail(shown_name(options),
                        Error{Errc::Usage, "extract section wants --section ID or IDSTR"});
  }
  return Extraction(session, options, file, stream).run();
}

}  // namespace vminspect
