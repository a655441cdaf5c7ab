// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/command_line.h"
#include "common/json_text.h"
#include "common/output.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/verified.h"
#include "vmstream-inspect/commands/verify_multifd.h"
#include "vmstream-inspect/print/json_layout.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmtools::exit_status_of;
using vmtools::ExitStatus;
using vmtools::or_null;
using vmtools::print;
using vmtools::print_json;
using vmtools::Session;
using vmtools::use_color;

namespace {

// Of a plain file one is the other.
void print_digests(const std::string& stream, const std::optional<std::string>& file) {
  if (file == stream) {
    print(fmt::format("  SHA-256 {}\n", stream));
    return;
  }
  print(fmt::format("  SHA-256 of the plain stream:\n    {}\n", stream));
  if (file) print(fmt::format("  SHA-256 of the file, as sha256sum prints it:\n    {}\n", *file));
}

void print_verdict(bool color, const Verified& verified) {
  const auto& [subject, scan, found, file_sha256, absent_pages] = verified;
  print_headline(color, found.ok(), verdict_text(found.ok(), found.complete));
  if (!found.ok() || found.load.because) print(fmt::format("  {}\n", load_text(found.load)));
  if (!found.ok() && found.ok_but_for_description() && !found.mapped_ram) {
    print("  vmrestore does so with --accept-damaged-description\n");
  }
  print(fmt::format("  {} bytes of stream, {} sections, {} devices ({} held against the vmdesc)\n",
                    scan.stream_bytes, found.sections, found.devices, found.described));
  print_digests(subject.sha256.value_or(""), file_sha256);
  if (absent_pages > 0) {
    print(fmt::format(
        "  {} not in this stream (see explain)\n",
        absent_pages == 1 ? "1 page of RAM is" : fmt::format("{} pages of RAM are", absent_pages)));
  }
  print_notes(verified);
  print_problems(found.problems);
}

ExitStatus verify_one(Session& session, const InspectOptions& options) {
  auto verified = examine(session, options);
  if (!verified) return session.fail(shown_name(options), verified.error());
  if (options.common.json) {
    print_json(verdict_json(*verified));
  } else {
    print_verdict(use_color(options.common.color, STDOUT_FILENO), *verified);
  }
  return judge(session, options, verified->scan, verified->found.problems);
}

std::string line_of(const Verified& verified) {
  std::string line = verdict_text(verified.found.ok(), verified.found.complete);
  if (verified.found.load.because) line += "; " + load_text(verified.found.load);
  if (verified.absent_pages > 0) {
    line += fmt::format("; pages of RAM not in it: {}", verified.absent_pages);
  }
  return line;
}

// Many files one after the other: rows of a list, and what is wrong with each on stderr.
class FileList {
 public:
  FileList(Session& session, const InspectOptions& options) : session_(session), one_(options) {}

  ExitStatus run(const std::vector<std::string>& files) {
    if (one_.common.json) rows_.open({{"schema", "vmstream.verify_files/1"}}, "files");
    for (const std::string& file : files) {
      one_.file = file;
      add();
      if (auto going = session_.check_interrupted(); !going) {
        return session_.fail(shown_name(one_), going.error());
      }
    }
    if (one_.common.json) rows_.close({{"ok", worst_ == ExitStatus::Done}});
    return worst_;
  }

 private:
  void add() {
    auto verified = examine(session_, one_);
    auto damage = verified ? first_damage(verified->scan, verified->found.problems)
                           : std::optional(verified.error());
    if (one_.common.json) {
      rows_.add(verified ? verdict_json(*verified) : failure_json(verified.error()));
    } else {
      print(fmt::format("{}: {}\n", vmstream::escape(shown_name(one_)),
                        verified ? line_of(*verified) : "NOT VERIFIED"));
    }
    if (!damage) return;
    session_.messages().error(shown_name(one_), *damage);
    worst_ = std::max(worst_, exit_status_of(damage->code));
  }

  ordered_json failure_json(const vmstream::Error& error) const {
    return {{"file", vmstream::escape(one_.file)},
            {"ok", false},
            {"message", error.message},
            {"offset", or_null(error.offset)}};
  }

  Session& session_;
  InspectOptions one_;
  JsonRows rows_;
  ExitStatus worst_ = ExitStatus::Done;
};

bool is_folder(const std::string& file) {
  std::error_code unknown;
  return std::filesystem::is_directory(file, unknown);
}

}  // namespace

ExitStatus verify(Session& session, const InspectOptions& options) {
  std::vector<std::string> files{options.file};
  files.insert(files.end(), options.arguments.begin(), options.arguments.end());
  auto folder = std::ranges::find_if(files, is_folder);
  if (folder != files.end() && files.size() > 1) {
    return session.fail(*folder, {.code = vmstream::Errc::Usage,
                                  .message = "a folder is one guest, and must be given alone",
                                  .hint = "verify each guest with a call of its own"});
  }
  if (options.multifd || folder != files.end()) {
    if (auto status = verify_multifd(session, options)) return *status;
    return verify_one(session, options);
  }
  if (files.size() == 1) return verify_one(session, options);
  return FileList(session, options).run(files);
}

}  // namespace vminspect
