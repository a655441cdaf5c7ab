// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include <vmstream/load_check.h>
#include <vmstream/memory_view.h>
#include <vmstream/text.h>
#include "common/json_text.h"
#include "common/output.h"
#include "vmrestore/claim.h"
#include "vmrestore/indexing.h"
#include "vmrestore/input.h"
#include "vmrestore/report.h"
#include "vmrestore/restore.h"

namespace vmrestore {
namespace {

using nlohmann::ordered_json;
using vmstream::Error;
using vmstream::escape;
using vmstream::LazyFile;
using vmstream::LoadAnswer;
using vmstream::MemoryView;
using vmstream::Result;
using vmstream::WaitLimits;
using vmtools::ExitStatus;
using vmtools::Session;

constexpr auto kAdvicePatience = std::chrono::seconds(3);

// Without FUSE all of the memory is read.
Result<MemoryView> open_memory(const LazyFile& file, const Options& options, Session& session,
                               const WaitLimits& limits) {
  vmstream::MemoryViewOptions how{.threads = options.common.threads, .limits = limits};
  auto view = MemoryView::open(file, how);
  if (view || view.error().code != vmstream::Errc::Unsupported) return view;
  session.messages().warning(input_name(options),
                             describe(view.error()) + ": all of the memory is read for this check");
  return MemoryView::copy(file, how);
}

struct Asked {
  std::string program;
  LoadAnswer answer;
  std::vector<std::string> advice;
};

std::vector<std::string> lines_of(const std::string& file, const Asked& asked) {
  const LoadAnswer& answer = asked.answer;
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{}: {} (QEMU {}) {}, {:.2f} s", escape(file), escape(asked.program),
                              answer.version, answer.loads ? "would load it" : "would not load it",
                              answer.seconds));
  for (const std::string& line : answer.words) lines.push_back("  " + line);
  for (const std::string& line : asked.advice) lines.push_back("  -> " + line);
  for (const std::string& line : answer.not_checked) lines.push_back("  not checked: " + line);
  return lines;
}

ordered_json json_of(const Asked& asked) {
  const LoadAnswer& answer = asked.answer;
  ordered_json json;
  json["program"] = escape(asked.program);
  json["qemu_version"] = answer.version;
  json["loads"] = answer.loads;
  json["words"] = answer.words;
  json["advice"] = asked.advice;
  json["not_checked"] = answer.not_checked;
  json["mapped"] = ordered_json::array();
  for (const std::string& block : answer.mapped) json["mapped"].push_back(escape(block));
  json["seconds"] = vmtools::rounded(answer.seconds);
  return json;
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// One check of a file, by one QEMU or several.
struct Check {
  const Options& options;
  Session& session;
  WaitLimits limits;
  const Input& input;
  const LazyFile& file;
  MemoryView memory;

  Result<Asked> ask(const std::string& program);
  Error explain(const Error& error);
  ExitStatus run();
};

// A QEMU that needs a page which the file does not give waits for it until its time is up.
Error Check::explain(const Error& error) {
  if (error.code != vmstream::Errc::TimedOut) return error;
  auto lost = memory.lost_pages();
  if (!lost) return lost.error();
  return lost->empty() ? error : error_of(lost->front());
}

std::string search_path() {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): it is never set here
  return path ? path : "/usr/local/bin:/usr/bin:/bin";
}

Result<Asked> Check::ask(const std::string& program) {
  vmstream::LoadCheckOptions how{
      .argv = options.qemu,
      .search_path = search_path(),
      .memory = {.path_of = [this](std::string_view block) { return memory.path_of(block); },
                 .descriptors = memory.descriptors()},
      .limits = limits};
  how.argv[0] = program;
  auto answer = vmstream::check_load(file, how);
  if (!answer) return explain(answer.error());
  Asked asked{.program = program, .answer = std::move(*answer), .advice = {}};
  if (!asked.answer.loads) {
    asked.advice =
        advice_lines(input, text_of(asked.answer.words), session.limits(kAdvicePatience));
  }
  return asked;
}

ExitStatus Check::run() {
  auto programs = options.binaries;
  if (programs.empty()) programs.push_back(options.qemu[0]);
  ordered_json json;
  json["schema"] = "vmstream.load-check/1";
  json["file"] = vmtools::or_null(options.file);
  json["loads"] = true;
  json["programs"] = ordered_json::array();
  std::vector<std::string> lines;
  auto status = ExitStatus::Done;
  for (const std::string& program : programs) {
    auto asked = ask(program);
    if (!asked) return session.fail(program, asked.error());
    if (!asked->answer.loads) {
      status = ExitStatus::No;
      json["loads"] = false;
    }
    json["programs"].push_back(json_of(*asked));
    std::ranges::move(lines_of(input_name(options), *asked), std::back_inserter(lines));
  }
  if (options.common.json) {
    vmtools::print_json(json);
  } else {
    vmtools::print(text_of(lines));
  }
  return status;
}

}  // namespace

ExitStatus check_loads(const Options& options, Session& session) {
  auto limits = session.limits(options.timeout);
  auto how = open_options(options, limits);
  if (!how) return session.fail(input_name(options), how.error());
  auto claim = InputClaim::take(options);
  if (!claim) return session.fail(input_name(options), claim.error());
  auto input = Input::open(options, *claim, std::move(*how), limits);
  if (!input) return session.fail(input_name(options), input.error());
  input->tell_of_image(session);
  auto file = input->open_lazily(session, indexing_observer(session, input_name(options)));
  if (!file) return session.fail(input_name(options), file.error());
  auto sound = check_containers(session, input_name(options), file->containers());
  if (!sound) return session.fail(input_name(options), sound.error());
  auto memory = open_memory(*file, options, session, limits);
  if (!memory) return session.fail(input_name(options), memory.error());
  return Check{options, session, limits, *input, *file, std::move(*memory)}.run();
}

}  // namespace vmrestore
