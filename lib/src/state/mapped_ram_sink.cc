// SPDX-License-Identifier: MIT
#include "state/mapped_ram_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <vmstream/file_digest.h>
#include <vmstream/indexing.h>
#include "format/ram/target_page.h"
#include "format/wire.h"
#include "state/rewriting.h"
#include "state/wanted_feed.h"

namespace vmstream {
namespace {

constexpr size_t kLinearBytes = 1u << 20;         // written at once
constexpr size_t kMostUnplacedBytes = 16u << 20;  // behind a list whose blocks have no places yet
constexpr std::string_view kIgnoreShared = "x-ignore-shared";

Error unsupported(std::string what, std::optional<uint64_t> at = std::nullopt) {
  return Error{Errc::Unsupported, "mapped-ram files have no place for " + std::move(what), at};
}

}  // namespace

MappedRamSink::MappedRamSink(OutputFile& file, bool digest, WaitLimits limits)
    : file_(file), digest_(digest), limits_(limits), areas_(file) {}

Status MappedRamSink::write(std::span<const std::byte> bytes) {
  return parser_.feed(bytes);
}

Status MappedRamSink::finish() {
  if (auto whole = parser_.finish(); !whole) return whole;
  if (!has_list_) return unsupported("a stream without a list of RAM blocks");
  if (auto there = memory_.check(); !there) return there;
  if (list_) {  // not one page had content
    uint32_t guess = page_bytes_ != 0 ? page_bytes_ : guess_page_bytes(configuration_->machine);
    if (auto done = lay_out(guess); !done) return done;
  }
  if (auto spilt = spill(0); !spilt) return spilt;
  if (auto placed = areas_.finish(); !placed) return placed;
  if (auto resized = file_.resize(linear_offset_); !resized) return resized;
  return digest_ ? take_digest() : ok();
}

Status MappedRamSink::take_digest() {
  auto file = open_random_file(fmt::format("/proc/self/fd/{}", file_.descriptor()), limits_);
  if (!file) return file.error();
  auto sha256 = FileDigest(make_whole_source(std::move(*file))).finish();
  if (!sha256) return sha256.error();
  sha256_ = std::move(*sha256);
  return ok();
}

// Writes what is there if that is more than `most`.
Status MappedRamSink::spill(size_t most) {
  if (linear_.size() <= most) return ok();
  if (list_) {
    if (linear_.size() <= kMostUnplacedBytes) return ok();
    return unsupported("a stream that does not tell how large its pages are");
  }
  auto written = file_.write_at(linear_offset_, linear_);
  linear_offset_ += linear_.size();
  linear_.clear();
  return written;
}

Status MappedRamSink::on_header(const StreamHeader& header) {
  return out_.header(header);
}

Status MappedRamSink::on_configuration(const Configuration& configuration) {
  configuration_ = configuration;
  auto& names = configuration_->capabilities;
  if (!names) names.emplace();
  for (std::string_view refused : {kMappedRam, kIgnoreShared}) {
    if (std::ranges::find(*names, refused) != names->end()) {
      return unsupported(fmt::format("a stream with capability {}", refused), configuration.offset);
    }
  }
  names->emplace_back(kMappedRam);
  return out_.configuration(*configuration_);
}

Status MappedRamSink::on_section(const SectionHeader& header) {
  if (!configuration_) {
    return unsupported("a stream without a configuration, as of machine types before 2.4",
                       header.offset);
  }
  if (header.type == SectionType::Start && header.idstr == "ram" &&
      header.version_id != wire::kRamVersionNamed) {
    return unsupported(fmt::format("RAM of version {}", header.version_id), header.offset);
  }
  return out_.section(header);
}

// Where pages are depends on how large they are. Until that is certain nothing behind the list has
// a place.
Status MappedRamSink::on_ram_blocks(const RamBlockList& list) {
  if (std::exchange(has_list_, true)) {
    return Error{Errc::Malformed, "a second list of RAM blocks", list.offset};
  }
  memory_.on_ram_blocks(list);
  if (auto done = out_.ram_total(list.total_bytes); !done) return done;
  if (auto spilt = spill(0); !spilt) return spilt;
  list_ = list;
  auto certain = certain_page_bytes(&*configuration_, "");
  if (!certain) certain = certain_page_bytes(list);
  return certain ? lay_out(*certain) : ok();
}

Status MappedRamSink::lay_out(uint32_t page_bytes) {
  auto list = std::exchange(list_, std::nullopt);
  auto behind = areas_.lay_out(*list, page_bytes, linear_offset_);
  if (!behind) return behind.error();
  linear_offset_ = *behind;
  return ok();
}

Status MappedRamSink::on_page(const Page& page) {
  memory_.on_page(page);
  page_bytes_ = page.size;
  if (list_) {
    if (page.kind == PageKind::Zero) return ok();  // as is what never comes
    if (auto done = lay_out(page.size); !done) return done;
  }
  return areas_.take(page);
}

Status MappedRamSink::on_ram_mark(RamMark mark, uint64_t offset) {
  if (mark == RamMark::Hook) return unsupported("records of RDMA", offset);
  return mark == RamMark::EndOfSlice ? out_.ram_mark(mark) : ok();
}

Status MappedRamSink::on_body(uint64_t, std::span<const std::byte> bytes) {
  auto written = out_.body(bytes);
  return written ? spill(kLinearBytes) : written;
}

Status MappedRamSink::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  auto written = end.footer ? out_.footer(header.section_id) : ok();
  return written ? spill(kLinearBytes) : written;
}

Status MappedRamSink::on_command(const Command& command) {
  switch (command.type) {
    case CommandType::OpenReturnPath:
    case CommandType::Ping:
      return ok();
    case CommandType::SwitchoverStart:
      return out_.command(command);
    case CommandType::PostcopyAdvise:  // without a payload it is of dirty bitmaps alone
      if (command.payload.empty()) return out_.command(command);
      break;
    default:
      break;
  }
  Error error = unsupported(fmt::format("the command {}", name_of(command.type)), command.offset);
  error.hint = "vmrestore FILE -o PLAIN makes a plain stream of a postcopy one";
  return error;
}

Status MappedRamSink::on_eof(uint64_t) {
  return out_.eof();
}

Status MappedRamSink::on_vmdesc(const VmdescRecord& vmdesc) {
  return out_.vmdesc(vmdesc.json);
}

Result<StateIndex> index_of_mapped(RandomSource& file, const StateIndex& sent, std::string sha256) {
  IndexBuilder builder;
  StreamParser parser(builder, {}, {.mapped_pages = MappedPages::Places});
  if (auto whole = WantedFeed(file, parser).run(); !whole) return whole.error();
  StateIndex index = builder.finish(parser.offset(), parser.stream_length(), true);
  index.facts.sha256 = std::move(sha256);
  index.facts.passes = sent.facts.passes;
  index.facts.capture = sent.facts.capture;
  return index;
}

}  // namespace vmstream
