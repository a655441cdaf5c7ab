// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/verify_multifd.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include <vmstream/multifd_guest.h>
#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/json_text.h"
#include "common/output.h"
#include "common/progress.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/verified.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmstream::Errc;
using vmstream::Error;
using vmstream::escape;
using vmstream::LoadVerdict;
using vmstream::MultifdChannel;
using vmstream::MultifdFindings;
using vmstream::ProblemLog;
using vmstream::Result;
using vmtools::containers_json;
using vmtools::ExitStatus;
using vmtools::or_null;
using vmtools::print;
using vmtools::print_json;
using vmtools::Progress;
using vmtools::Session;
using vmtools::use_color;

namespace {

namespace fs = std::filesystem;

// What went wrong, and with which file.
struct FileError {
  std::string file;
  Error error;
};

// The file of a page channel; MultifdFindings has the rest, at the same place.
struct ChannelFile {
  Subject subject;
  std::optional<std::string> file_sha256;
};

// The files of a guest, before they are read.
struct PartFiles {
  std::optional<std::string> main;
  std::vector<std::string> channels;
  bool has_preempt_channel = false;
};

// What is known of a guest in the end.
struct Guest {
  Verified main;
  std::vector<ChannelFile> channels;
  MultifdFindings found;

  bool ok() const { return main.found.ok() && found.ok(); }
  bool complete() const {
    auto is_read = [](const MultifdChannel& channel) { return !channel.fault; };
    return main.found.complete && found.problems.damage() == 0 &&
           std::ranges::all_of(found.channels, is_read);
  }
};

Error no_part(std::string message) {
  return {Errc::Usage, std::move(message)};
}

// Reads the parts of one guest. What stops it is told of by fault().
class GuestReader {
 public:
  GuestReader(Session& session, const InspectOptions& options)
      : session_(session), one_(options), named_(options.file), more_(options.arguments) {
    one_.multifd = false;
    one_.arguments.clear();
  }

  std::optional<Guest> read() {
    PartFiles files;
    if (!find_parts(files)) return std::nullopt;
    has_preempt_channel_ = files.has_preempt_channel;
    if (has_preempt_channel_) return std::nullopt;
    auto main = read_main(*files.main);
    if (!main) return std::nullopt;
    std::vector<ChannelFile> channels;
    for (const std::string& file : files.channels) {
      auto channel = read_channel(file);
      if (!channel) return std::nullopt;
      channels.push_back(std::move(*channel));
    }
    return Guest{std::move(*main), std::move(channels), parts_.finish()};
  }

  const FileError& fault() const { return fault_; }
  bool has_preempt_channel() const { return has_preempt_channel_; }

 private:
  bool fail(const std::string& file, Error error) {
    fault_ = {file, std::move(error)};
    return false;
  }

  bool find_parts(PartFiles& parts) {
    std::vector<std::string> files;
    if (!list_files(files)) return false;
    for (const std::string& file : files) {
      if (!sort_in(file, parts)) return false;
    }
    if (parts.main) return true;
    return fail(named_, {Errc::Malformed,
                         fmt::format("no main stream among {} files, wanted the one that begins "
                                     "with QEVM",
                                     files.size())});
  }

  bool list_files(std::vector<std::string>& files) {
    std::error_code unknown;
    if (!fs::is_directory(named_, unknown)) {
      files.push_back(named_);
      files.insert(files.end(), more_.begin(), more_.end());
      return true;
    }
    auto listed = vmstream::list_guest_parts(named_);
    if (!listed) return fail(named_, listed.error());
    files = std::move(*listed);
    return true;
  }

  // By what the file begins with.
  bool sort_in(const std::string& file, PartFiles& parts) {
    one_.file = file;
    auto part = open_subject(session_, one_, true);
    if (!part) return fail(file, part.error());
    if (!part->can_be_reread()) {
      return fail(file, {Errc::Usage, "a part must be a file: it is read twice"});
    }
    if (auto stream = part->stream(); !stream) return fail(file, stream.error());
    if (part->containers().back().type == "postcopy-preempt") {
      parts.has_preempt_channel = true;
      return true;
    }
    if (part->containers().back().type == "multifd") {
      parts.channels.push_back(file);
      return true;
    }
    if (parts.main) {
      return fail(file, no_part(fmt::format("a main stream, as '{}' is one: wanted one guest",
                                            escape(*parts.main))));
    }
    parts.main = file;
    return true;
  }

  std::optional<Verified> read_main(const std::string& file) {
    one_.file = file;
    auto verified = examine(session_, one_, vmstream::PageChannels::AtHand, &parts_.main_visitor());
    if (verified) return std::move(*verified);
    fail(file, verified.error());
    return std::nullopt;
  }

  std::optional<ChannelFile> read_channel(const std::string& file) {
    one_.file = file;
    auto channel = try_channel();
    if (channel) return std::move(*channel);
    fail(file, channel.error());
    return std::nullopt;
  }

  Result<ChannelFile> try_channel() {
    auto file = open_subject(session_, one_, true);
    if (!file) return file.error();
    std::optional<vmstream::FileDigest> file_digest;
    auto stream = open_digested(*file, file_digest);
    if (!stream) return stream.error();
    vmstream::Sha256 digest;
    if (auto read = read_bytes(**stream, digest); !read) return read.error();
    stream->reset();
    Subject subject{one_.file, file->containers(), digest.finish()};
    auto file_sha256 = digest_file(one_, subject, file_digest);
    if (!file_sha256) return file_sha256.error();
    return ChannelFile{std::move(subject), std::move(*file_sha256)};
  }

  vmstream::Status read_bytes(vmstream::ByteSource& plain, vmstream::Sha256& digest) {
    Progress progress(session_, "verify");
    auto read = parts_.read_channel(plain, {.digest = &digest, .on_progress = [&](uint64_t bytes) {
                                              progress.update({.stream_bytes = bytes});
                                            }});
    progress.enter("done");
    session_.messages().erase_bar();
    return read;
  }

  Session& session_;
  InspectOptions one_;
  std::string named_;  // on the command line
  std::vector<std::string> more_;
  bool has_preempt_channel_ = false;
  vmstream::MultifdGuest parts_;
  FileError fault_;
};

// Of all parts, the verdict that is worst, and whose it is.
struct GuestVerdict {
  LoadVerdict load;
  std::string file;  // empty: of no single one
};

GuestVerdict judge_load_of(const Guest& guest) {
  GuestVerdict worst{guest.main.found.load, guest.main.subject.file};
  auto weigh = [&worst](const ProblemLog& problems, const std::string& file) {
    auto load = vmstream::judge_load(problems);
    if (load.verdict > worst.load.verdict) worst = {std::move(load), file};
  };
  for (size_t i = 0; i < guest.channels.size(); ++i) {
    weigh(guest.found.channels[i].problems, guest.channels[i].subject.file);
  }
  weigh(guest.found.problems, "");
  return worst;
}

// A list of problems with the file of each; those of no file have no place either.
void add_problems(ordered_json& list, const ProblemLog& problems,
                  const std::optional<std::string>& file) {
  for (auto& problem : problems_json(problems)) {
    ordered_json row{{"file", file ? ordered_json(escape(*file)) : ordered_json(nullptr)}};
    row.update(problem);
    if (!file) row["offset"] = nullptr;
    list.push_back(std::move(row));
  }
}

ordered_json part_json(std::string_view kind, const Subject& subject, uint64_t plain_bytes,
                       const std::optional<std::string>& file_sha256) {
  return {{"file", escape(subject.file)},
          {"kind", kind},
          {"containers", containers_json(subject.containers)},
          {"plain_bytes", plain_bytes},
          {"sha256", subject.sha256.value_or("")},
          {"file_sha256", or_null(file_sha256)}};
}

ordered_json main_json(const Guest& guest) {
  const Verified& main = guest.main;
  auto json = part_json("main", main.subject, main.scan.plain_bytes, main.file_sha256);
  json["ok"] = main.found.ok();
  json["complete"] = main.found.complete;
  json["pages"] = guest.found.main_pages;
  json["zero_pages"] = guest.found.main_zero_pages;
  return json;
}

ordered_json channel_json(const ChannelFile& file, const MultifdChannel& channel) {
  auto json = part_json("channel", file.subject, channel.plain_bytes, file.file_sha256);
  json["ok"] = !channel.fault && channel.problems.damage() == 0;
  json["complete"] = !channel.fault;
  json["pages"] = channel.pages;
  json["zero_pages"] = channel.zero_pages;
  json["channel"] = channel.initial ? ordered_json(channel.initial->channel) : nullptr;
  json["uuid"] = channel.initial ? ordered_json(vmstream::uuid_text(channel.initial->uuid))
                                 : ordered_json(nullptr);
  json["packets"] = channel.packets;
  json["syncs"] = channel.syncs;
  json["device_packets"] = channel.device_packets;
  json["method"] = channel.method ? ordered_json(name_of(*channel.method)) : nullptr;
  json["data_read"] = channel.data_read();
  return json;
}

ordered_json guest_json(const Guest& guest) {
  auto json = verdict_json(guest.main);
  json["ok"] = guest.ok();
  json["complete"] = guest.complete();
  json["verdict"] = name_of(judge_load_of(guest).load.verdict);
  json["absent_pages"] = guest.found.absent_pages;
  auto problems = ordered_json::array();
  auto parts = ordered_json::array({main_json(guest)});
  add_problems(problems, guest.main.found.problems, guest.main.subject.file);
  uint64_t count = guest.main.found.problems.total() + guest.found.problems.total();
  for (size_t i = 0; i < guest.channels.size(); ++i) {
    const MultifdChannel& channel = guest.found.channels[i];
    parts.push_back(channel_json(guest.channels[i], channel));
    add_problems(problems, channel.problems, guest.channels[i].subject.file);
    count += channel.problems.total();
  }
  add_problems(problems, guest.found.problems, std::nullopt);
  json["problems"] = std::move(problems);
  json["problem_count"] = count;
  json["parts"] = std::move(parts);
  return json;
}

std::string pages_text(uint64_t pages, uint64_t zeros) {
  return fmt::format("{} pages, {} zero pages", pages, zeros);
}

std::string channel_text(const MultifdChannel& channel) {
  std::string id = channel.initial ? fmt::format("{}", channel.initial->channel) : "?";
  std::string text = fmt::format("channel {}, {} bytes, {} packets, {}", id, channel.plain_bytes,
                                 channel.packets, pages_text(channel.pages, channel.zero_pages));
  if (channel.method && *channel.method != vmstream::MultifdMethod::None) {
    text += fmt::format(", {}{}", name_of(*channel.method),
                        channel.data_read() ? "" : " (not unpacked)");
  }
  if (channel.device_packets > 0) {
    text += fmt::format(", {} packets of device state", channel.device_packets);
  }
  return text;
}

void print_parts(const Guest& guest) {
  print(fmt::format("  {}: main stream, {} bytes, {}\n", escape(guest.main.subject.file),
                    guest.main.scan.plain_bytes,
                    pages_text(guest.found.main_pages, guest.found.main_zero_pages)));
  for (size_t i = 0; i < guest.channels.size(); ++i) {
    print(fmt::format("  {}: {}\n", escape(guest.channels[i].subject.file),
                      channel_text(guest.found.channels[i])));
  }
}

// Of no single part, and without a place.
void print_common_problems(const ProblemLog& problems) {
  for (const auto& problem : problems.kept()) print(fmt::format("  {}\n", problem.message));
}

std::string load_text(const GuestVerdict& worst) {
  if (!worst.load.because) return "QEMU loads them all the same";
  bool refused = worst.load.verdict == vmstream::Verdict::Refused;
  std::string text = refused ? "QEMU refuses them" : "it depends on the destination";
  if (worst.file.empty()) return text;
  return fmt::format("{}, by {} at offset {:#x}", text, escape(worst.file),
                     worst.load.because->offset);
}

void print_guest(bool color, const Guest& guest) {
  print_headline(color, guest.ok(), verdict_text(guest.ok(), guest.complete()));
  auto worst = judge_load_of(guest);
  if (!guest.ok() || worst.load.because) print(fmt::format("  {}\n", load_text(worst)));
  print_parts(guest);
  print_notes(guest.main);
  if (guest.found.absent_pages > 0 && guest.ok()) {
    print(fmt::format("  pages of RAM in none of them: {} (left out for a balloon or virtio-mem)\n",
                      guest.found.absent_pages));
  }
  print_problems(guest.main.found.problems, guest.main.subject.file);
  for (size_t i = 0; i < guest.channels.size(); ++i) {
    print_problems(guest.found.channels[i].problems, guest.channels[i].subject.file);
  }
  print_common_problems(guest.found.problems);
}

// What is wrong with the first part with which something is.
std::optional<FileError> first_damage_of(const Guest& guest) {
  if (auto damage = first_damage(guest.main.scan, guest.main.found.problems)) {
    return FileError{guest.main.subject.file, *damage};
  }
  for (size_t i = 0; i < guest.channels.size(); ++i) {
    const MultifdChannel& channel = guest.found.channels[i];
    if (auto damage = first_damage({.fault = channel.fault}, channel.problems)) {
      return FileError{guest.channels[i].subject.file, *damage};
    }
  }
  auto damage = first_damage({}, guest.found.problems);
  if (!damage) return std::nullopt;
  damage->offset.reset();
  return FileError{guest.main.subject.file, *damage};
}

}  // namespace

std::optional<ExitStatus> verify_multifd(Session& session, const InspectOptions& options) {
  GuestReader reader(session, options);
  auto guest = reader.read();
  if (!guest && reader.has_preempt_channel()) return std::nullopt;
  if (!guest) return session.fail(reader.fault().file, reader.fault().error);
  if (auto going = session.check_interrupted(); !going) {
    return session.fail(options.file, going.error());
  }
  if (options.common.json) {
    print_json(guest_json(*guest));
  } else {
    print_guest(use_color(options.common.color, STDOUT_FILENO), *guest);
  }
  auto damage = first_damage_of(*guest);
  return damage ? session.fail(damage->file, damage->error) : ExitStatus::Done;
}

}  // namespace vminspect
