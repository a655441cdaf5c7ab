// SPDX-License-Identifier: MIT
#include "common/tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <nlohmann/json.hpp>

#include "common/json_text.h"
#include "common/output.h"
#include "common/signals.h"

namespace vmtools {

using nlohmann::ordered_json;
using vmstream::Errc;
using vmstream::Error;

namespace {

using Seconds = std::chrono::duration<double>;

// Beside a number its hexadecimal text is printed; here it has its place without one, too.
void add_place(ordered_json& json, const std::string& key, const std::optional<uint64_t>& offset) {
  json[key] = or_null(offset);
  if (!offset) json[key + "_hex"] = nullptr;
}

ordered_json error_json(std::string_view subject, const Error& error,
                        const std::optional<GuestFate>& guest) {
  ordered_json json;
  json["schema"] = "vmstream.error/1";
  json["code"] = static_cast<int>(exit_status_of(error.code));
  json["subject"] = or_null(std::string(subject));
  json["message"] = error.message;
  json["hint"] = or_null(error.hint);
  add_place(json, "offset", error.offset);
  add_place(json, "file_offset", error.file_offset);
  json["guest"] = guest ? ordered_json(guest->word) : nullptr;
  return json;
}

}  // namespace

Session::Session(const ToolText& tool, const CommonOptions& options,
                 const vmstream::Cancellation& cancellation, std::vector<int> inherited)
    : tool_(tool),
      options_(options),
      cancellation_(cancellation),
      messages_(tool.name, options.verbosity, use_color(options.color, STDERR_FILENO)),
      inherited_(std::move(inherited)),
      prints_json_(options.json) {}

vmstream::WaitLimits Session::limits(std::optional<std::chrono::milliseconds> timeout) {
  vmstream::WaitLimits limits{.cancellation = &cancellation_};
  timeout_ = timeout;
  if (timeout) limits.deadline = vmstream::Clock::now() + *timeout;
  return limits;
}

vmstream::Status Session::check_interrupted() const {
  if (!cancellation_.requested()) return vmstream::ok();
  return Error{Errc::Interrupted, "interrupted"};
}

// Whoever set a limit wants to know that it was this one, and what it did to the guest.
Error Session::explain(Error error) const {
  if (error.code == Errc::Usage && error.hint.empty()) {
    error.hint = fmt::format("{} --help lists the options", tool_.name);
  }
  if (error.code == Errc::TimedOut && timeout_) {
    error.message += fmt::format(": --timeout {:g}s is over", Seconds(*timeout_).count());
    if (guest_) error.message += fmt::format(", {}", guest_->words);
  }
  return error;
}

ExitStatus Session::fail(std::string_view subject, const Error& error) {
  auto going = check_interrupted();
  Error shown = going ? explain(error) : going.error();
  messages_.error(subject, shown);
  if (prints_json_ && !has_printed()) print_json(error_json(subject, shown, guest_));
  return exit_status_of(shown.code);
}

// What a signal broke here is the report alone.
ExitStatus Session::report(const nlohmann::ordered_json& result,
                           const std::vector<std::string>& lines, std::string_view all_the_same) {
  if (options_.json) print_json(result);
  if (auto printed = flush_output(); !printed) {
    Error error = printed.error();
    error.hint = all_the_same;
    messages_.error("stdout", error);
    for (const std::string& line : lines) messages_.answer(line);
    return exit_status_of(error.code);
  }
  for (const std::string& line : lines) messages_.summary(line);
  return ExitStatus::Done;
}

namespace {

ExitStatus run_session(const ToolText& tool, const CommonOptions& options,
                       std::vector<int> inherited,
                       const std::function<ExitStatus(Session&)>& work) {
  auto cancellation = vmstream::Cancellation::create();
  if (!cancellation) {
    Messages(tool.name, options.verbosity, false).error("", cancellation.error());
    return ExitStatus::Environment;
  }
  SignalGuard signals(*cancellation);
  InterruptibleOutput output(*cancellation);
  Session session(tool, options, *cancellation, std::move(inherited));
  auto status = work(session);
  auto flushed = flush_output();
  if (!flushed && status == ExitStatus::Done) return session.fail("stdout", flushed.error());
  return status;
}

// A descriptor that the tool opens must not take the place of a standard one that its caller has
// closed: what is printed would go there. Reading these, and writing to them, fails, also by way of
// /dev/stdout.
void occupy_standard_descriptors() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number, which is this one. A link itself cannot be opened by way of it.
    if (::open("/proc/self", O_PATH | O_NOFOLLOW) < 0) (void)::open("/", O_PATH);
  }
}

// What passes through here is a guest's memory and, at times, a passphrase: no core dump, and no
// other process of the user's may look.
void keep_memory_private() {
  ::prctl(PR_SET_DUMPABLE, 0);
}

// Nobody has read the options then.
bool wants_json(const std::vector<std::string>& words) {
  auto dashes = std::ranges::find(words, "--");
  return std::find(words.begin(), dashes, "--json") != dashes;
}

ExitStatus refuse(const ToolText& tool, const Error& error, const std::vector<std::string>& words) {
  Messages(tool.name, Verbosity::Normal, false).error("", error);
  if (wants_json(words)) print_json(error_json("", error, std::nullopt));
  (void)flush_output();
  return exit_status_of(error.code);
}

}  // namespace

int run_tool(CommandLine& line, const CommonOptions& options, int argc, char** argv,
             const std::function<ExitStatus(Session&)>& work) {
  occupy_standard_descriptors();
  ignore_failing_writes();
  keep_memory_private();
  try {
    auto inherited = inherited_descriptors();
    auto done = line.parse(argc, argv);
    if (!done) return static_cast<int>(refuse(line.tool(), done.error(), {argv + 1, argv + argc}));
    if (*done) return static_cast<int>(**done);
    return static_cast<int>(run_session(line.tool(), options, std::move(inherited), work));
  } catch (const std::bad_alloc&) {
    Error error{Errc::Environment, "out of memory"};
    Messages(line.tool().name, Verbosity::Normal, false).error("", error);
    if (options.json && !has_printed()) {  // what the work held is free again
      print_json(error_json("", error, std::nullopt));
      (void)flush_output();
    }
    return static_cast<int>(ExitStatus::Environment);
  }
}

}  // namespace vmtools
