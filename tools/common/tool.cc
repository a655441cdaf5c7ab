// SPDX-License-Identifier: MIT
#include "common/tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "common/output.h"
#include "common/signals.h"

namespace vmtools {

using vmstream::Errc;
using vmstream::Error;

Session::Session(const ToolText& tool, const CommonOptions& options,
                 const vmstream::Cancellation& cancellation)
    : tool_(tool),
      options_(options),
      cancellation_(cancellation),
      messages_(tool.name, options.verbosity, use_color(options.color, STDERR_FILENO)) {}

vmstream::WaitLimits Session::limits(std::optional<std::chrono::milliseconds> timeout) const {
  vmstream::WaitLimits limits{.cancellation = &cancellation_};
  if (timeout) limits.deadline = vmstream::Clock::now() + *timeout;
  return limits;
}

vmstream::Status Session::check_interrupted() const {
  if (!cancellation_.requested()) return vmstream::ok();
  return Error{Errc::Interrupted, "interrupted"};
}

ExitStatus Session::fail(std::string_view subject, const Error& error) {
  if (auto going = check_interrupted(); !going) {
    messages_.error(subject, going.error());
    return ExitStatus::Interrupted;
  }
  Error shown = error;
  if (shown.code == Errc::Usage && shown.hint.empty()) {
    shown.hint = fmt::format("{} --help lists the options", tool_.name);
  }
  messages_.error(subject, shown);
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
                       const std::function<ExitStatus(Session&)>& work) {
  auto cancellation = vmstream::Cancellation::create();
  if (!cancellation) {
    Messages(tool.name, options.verbosity, false).error("", cancellation.error());
    return ExitStatus::Environment;
  }
  SignalGuard signals(*cancellation);
  InterruptibleOutput output(*cancellation);
  Session session(tool, options, *cancellation);
  auto status = work(session);
  auto flushed = flush_output();
  if (!flushed && status == ExitStatus::Done) return session.fail("stdout", flushed.error());
  return status;
}

// A descriptor that the tool opens must not take the place of a standard one that its caller has
// closed: what is printed would go there. Reading these, and writing to them, fails.
void occupy_standard_descriptors() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number, which is this one.
    (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// What passes through here is a guest's memory and, at times, a passphrase: no core dump, and no
// other process of the user's may look.
void keep_memory_private() {
  ::prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace

int run_tool(CommandLine& line, const CommonOptions& options, int argc, char** argv,
             const std::function<ExitStatus(Session&)>& work) {
  occupy_standard_descriptors();
  ignore_broken_pipes();
  keep_memory_private();
  try {
    auto done = line.parse(argc, argv);
    return static_cast<int>(done ? *done : run_session(line.tool(), options, work));
  } catch (const std::bad_alloc&) {
    Messages(line.tool().name, Verbosity::Normal, false)
        .error("", Error{Errc::Environment, "out of memory"});
    return static_cast<int>(ExitStatus::Environment);
  }
}

}  // namespace vmtools
