// SPDX-License-Identifier: MIT
// Rows of eight bytes: offset, bytes, meaning; within 80 columns.
#include "vmstream-inspect/commands/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include <vmstream/byte_names.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/print/json_layout.h"
#include "vmstream-inspect/print/printer.h"

namespace vminspect {

using vmstream::ByteKind;
using vmstream::Errc;
using vmstream::NamedBytes;
using vmtools::ExitStatus;
using vmtools::output_status;
using vmtools::print;
using vmtools::Session;
using vmtools::shorten;
using vmtools::use_color;
using vmtools::Verbosity;

namespace {

constexpr size_t kRowBytes = 8;
constexpr size_t kMeaningColumns = 43;

std::string_view color_of(ByteKind kind) {
  switch (kind) {
    case ByteKind::Frame:
      return "\x1b[1m";
    case ByteKind::Name:
      return "\x1b[32m";
    case ByteKind::Number:
      return "\x1b[36m";
    case ByteKind::Page:
      return "\x1b[2m";
    case ByteKind::Body:
      return "\x1b[33m";
    case ByteKind::Description:
      return "\x1b[35m";
    case ByteKind::Lost:
      return "\x1b[31m";
  }
  return "";
}

// Leaves a line of it, and gives what is behind the last space of that.
std::string cut_line(std::string& text) {
  if (text.size() <= kMeaningColumns) return {};
  size_t space = text.rfind(' ', kMeaningColumns);
  if (space == std::string::npos) {
    text = shorten(std::move(text), kMeaningColumns);
    return {};
  }
  std::string rest = text.substr(space + 1);
  text.resize(space);
  return rest;
}

std::string text_of(std::span<const std::byte> bytes) {
  std::string text = "|";
  for (std::byte b : bytes) {
    char c = static_cast<char>(b);
    text += c >= ' ' && c <= '~' ? c : '.';
  }
  return text + "|";
}

// By idstr, its end behind a slash, or the section id.
bool is_named(const vmstream::SectionHeader* section, const std::string& wanted) {
  if (section == nullptr) return false;
  if (section->idstr == wanted || section->idstr.ends_with("/" + wanted)) return true;
  return fmt::format("{}", section->section_id) == wanted;
}

class Rows {
 public:
  Rows(const InspectOptions& options, bool color) : options_(options), color_(color) {}

  // Begun with the first row: where there is none, an error may be all there is to say.
  void open(Subject subject) { subject_.emplace(std::move(subject)); }

  void show(const NamedBytes& stretch) {
    if (options_.section && !is_named(stretch.section, *options_.section)) return;
    any_ = true;
    begin();
    NamedBytes shown = clipped(stretch);
    if (options_.common.json) {
      show_json(shown);
    } else {
      show_text(shown);
    }
  }

  // `complete` is null where that was not found out.
  void close(const nlohmann::ordered_json& complete, const vmstream::ProblemLog& problems) {
    begin();
    if (!options_.common.json) return;
    json_.close({{"complete", complete}, {"problems", problems_json(problems)}});
  }

  bool any() const { return any_; }

 private:
  void begin() {
    auto subject = std::exchange(subject_, std::nullopt);
    if (!subject || !options_.common.json) return;
    json_.open(opening_json("vmstream.hexdump/1", *subject), "bytes");
  }

  // The part of a stretch that was asked for.
  NamedBytes clipped(NamedBytes stretch) const {
    uint64_t first = options_.offset.value_or(0);
    uint64_t length = options_.length.value_or(UINT64_MAX - first);
    uint64_t skip = first > stretch.offset ? first - stretch.offset : 0;
    skip = std::min(skip, stretch.length);
    stretch.offset += skip;
    stretch.length -= skip;
    stretch.bytes = stretch.bytes.subspan(std::min<size_t>(stretch.bytes.size(), skip));
    uint64_t left = stretch.offset >= first ? length - std::min(length, stretch.offset - first) : 0;
    stretch.length = std::min(stretch.length, left);
    stretch.bytes = stretch.bytes.first(std::min<size_t>(stretch.bytes.size(), stretch.length));
    return stretch;
  }

  void show_json(const NamedBytes& stretch) {
    nlohmann::ordered_json json{{"offset", stretch.offset},
                                {"length", stretch.length},
                                {"kind", name_of(stretch.kind)},
                                {"meaning", stretch.meaning},
                                {"bytes", fmt::format("{:02x}", fmt::join(stretch.bytes, ""))}};
    if (stretch.section) {
      json["section_id"] = stretch.section->section_id;
      json["idstr"] = vmstream::escape(stretch.section->idstr);
    }
    json_.add(json);
  }

  void show_text(const NamedBytes& stretch) const {
    std::string meaning = stretch.meaning;
    if (stretch.length > stretch.bytes.size()) {
      std::string count = fmt::format(" ({} bytes)", stretch.length);
      if (stretch.bytes.empty()) {
        std::string rest = cut_line(meaning);
        print_row(stretch.offset, {}, stretch.kind, meaning);
        print(fmt::format("{:37}{}\n", "",
                          shorten((rest + count).substr(rest.empty()), kMeaningColumns)));
        return;
      }
      meaning = shorten(std::move(meaning), kMeaningColumns - count.size()) + count;
    }
    auto bytes = stretch.bytes;
    uint64_t offset = stretch.offset;
    do {
      auto row = bytes.first(std::min(kRowBytes, bytes.size()));
      bool first = offset == stretch.offset;
      print_row(offset, row, stretch.kind,
                first ? shorten(meaning, kMeaningColumns) : text_of(row));
      bytes = bytes.subspan(row.size());
      offset += row.size();
    } while (!bytes.empty());
  }

  void print_row(uint64_t offset, std::span<const std::byte> row, ByteKind kind,
                 std::string_view meaning) const {
    std::string hex = row.empty() ? "..." : fmt::format("{:02x}", fmt::join(row, " "));
    print(fmt::format("{:010x}  {}{:<23}  {}{}\n", offset, color_ ? color_of(kind) : "", hex,
                      meaning, color_ ? "\x1b[0m" : ""));
  }

  const InspectOptions& options_;
  bool color_;
  bool any_ = false;
  std::optional<Subject> subject_;
  JsonRows json_;
};

vmstream::NamingOptions naming(const InspectOptions& options) {
  bool verbose = options.common.verbosity == Verbosity::Verbose;
  vmstream::NamingOptions naming{.everything = verbose};
  naming.in_range = options.offset || options.length;
  naming.first = options.offset.value_or(0);
  naming.length = options.length.value_or(UINT64_MAX);
  return naming;
}

// Whether one of the pieces holds all that was asked for.
bool hold_range(const vmstream::StreamEnds& parts, const InspectOptions& options) {
  uint64_t first = options.offset.value_or(0);
  uint64_t length = options.length.value_or(UINT64_MAX);
  return std::ranges::any_of(parts.pieces, [&](const vmstream::StreamPiece& piece) {
    uint64_t end = piece.offset + piece.bytes.size();
    bool to_the_end = end == parts.stream_bytes();
    return first >= piece.offset && first < end && (to_the_end || length <= end - first);
  });
}

// Why a whole stream has nothing of what was asked for; empty where nothing was.
std::string why_nothing(const InspectOptions& options, uint64_t plain_bytes) {
  if (options.section) {
    return fmt::format("there is no section '{}'", vmstream::escape(*options.section));
  }
  if (!options.offset || *options.offset < plain_bytes) return {};
  return fmt::format("the stream has {:#x} bytes, none from {:#x} on", plain_bytes,
                     *options.offset);
}

// Where not all bytes are asked for, those that are may be had without the rest.
std::optional<StreamParts> read_wanted_parts(Session& session, const InspectOptions& options,
                                             vmstream::StateFile& file) {
  if (!options.section && !options.offset && !options.length) return std::nullopt;
  auto parts = read_parts(session, options, file, [&](const vmstream::SectionHeader& header) {
    return options.section && is_named(&header, *options.section);
  });
  bool is_ranged = options.offset || options.length;
  if (!parts || (is_ranged && !hold_range(parts->pieces, options))) return std::nullopt;
  return parts;
}

}  // namespace

ExitStatus hexdump(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                   vmstream::ByteSource& stream) {
  Rows rows(options, use_color(options.common.color, STDOUT_FILENO));
  vmstream::ByteNamer namer(
      [&](const NamedBytes& stretch) {
        rows.show(stretch);
        return output_status();  // a reader that went away ends the scan
      },
      naming(options));
  auto parts = read_wanted_parts(session, options, file);
  Subject subject{options.file, file.containers()};
  if (parts) subject.source = parts->source;
  rows.open(std::move(subject));
  auto scan =
      parts ? vmstream::scan_ends(parts->pieces, namer) : vmstream::scan_stream(stream, namer, {});
  if (!output_status()) return ExitStatus::Done;  // or what the flush at the end says
  bool cut_short = namer.has_passed_range() && scan.fault && scan.fault->code == Errc::Interrupted;
  if (cut_short) scan.fault.reset();
  if (auto named = namer.finish(scan); !named) {
    return session.fail(shown_name(options), named.error());
  }
  vmstream::ProblemLog problems;
  for (const auto& gap : scan.gaps) problems.add(gap.fault, gap.from);
  if (scan.fault) problems.add(*scan.fault, scan.plain_bytes);
  if (!rows.any() && scan.complete() && !cut_short) {
    if (auto reason = why_nothing(options, scan.plain_bytes); !reason.empty()) {
      return session.fail(shown_name(options), {Errc::Usage, std::move(reason)});
    }
  }
  rows.close(cut_short ? nullptr : nlohmann::ordered_json(scan.complete()), problems);
  return judge(session, options, scan, problems);
}

}  // namespace vminspect
