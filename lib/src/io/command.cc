// SPDX-License-Identifier: MIT
// Shell commands as sinks, sources and filters.
#include <vmstream/command.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <vector>

#include <vmstream/text.h>
#include "base/unique_fd.h"
#include "io/child_process.h"
#include "io/fd.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr size_t kFilterBufferBytes = 256 * 1024;

Result<ChildProcess> start_shell(const std::string& command, int stdin_fd, int stdout_fd) {
  return ChildProcess::start({"/bin/sh", "-c", command},
                             {.stdin_fd = stdin_fd, .stdout_fd = stdout_fd});
}

// The write end of a command's stdin. What the command has left in the pipe is known when it has
// ended: a command that did not want all of it has not taken the output, whatever its exit status.
class Input {
 public:
  explicit Input(UniqueFd pipe) : pipe_(std::move(pipe)), writer_(std::in_place, pipe_.get()) {}

  Writer& writer() { return *writer_; }

  // No more comes. From here on the pipe is kept for what is left in it; before, the command's own
  // end must be the only one that reads, or its death would not be noticed by a write.
  Status close() {
    std::string name = fmt::format("/proc/self/fd/{}", pipe_.get());
    rest_.reset(::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!rest_.is_open()) return system_error("open a command's input", errno);
    writer_.reset();
    return pipe_.close();
  }

  // After close(), when the command has ended.
  Result<uint64_t> unread_bytes() const {
    int count = 0;
    if (::ioctl(rest_.get(), FIONREAD, &count) != 0) return system_error("ask a pipe", errno);
    return static_cast<uint64_t>(count);
  }

 private:
  UniqueFd pipe_;
  std::optional<Writer> writer_;
  UniqueFd rest_;
};

// A command and the word of its fate.
class Stage {
 public:
  Stage(std::string command, ChildProcess child, WaitLimits limits)
      : command_(std::move(command)), child_(std::move(child)), limits_(limits) {}

  // Waits for the end; anything but exit status 0 is an error.
  Status finish() {
    auto status = child_.wait(limits_);
    if (!status) return status.error();
    if (status->success()) return ok();
    return Error{Errc::Environment,
                 fmt::format("command '{}' failed with {}", escape(command_), status->text())};
  }

  // The same for a command that was to take all of `input`.
  Status finish(const Input& input) {
    if (auto ended = finish(); !ended) return ended;
    auto unread = input.unread_bytes();
    if (!unread) return unread.error();
    if (*unread == 0) return ok();
    return Error{Errc::Environment,
                 fmt::format("command '{}' ended with exit status 0 and left {} bytes unread",
                             escape(command_), *unread)};
  }

  // The reason why a write to the command failed: how it ended says more than "Broken pipe".
  Error explain(const Error& write_error) {
    if (write_error.code != Errc::Environment) return write_error;
    auto status = child_.wait({.deadline = Clock::now() + std::chrono::seconds(2)});
    if (!status) return write_error;
    return Error{Errc::Environment, fmt::format("command '{}' ended with {} before it had read "
                                                "everything",
                                                escape(command_), status->text())};
  }

  void end() { child_.end(); }
  const WaitLimits& limits() const { return limits_; }

 private:
  std::string command_;
  ChildProcess child_;
  WaitLimits limits_;
};

class CommandSink final : public ByteSink {
 public:
  CommandSink(Stage stage, UniqueFd input) : stage_(std::move(stage)), input_(std::move(input)) {}
  ~CommandSink() override { stage_.end(); }

  Status write(std::span<const std::byte> bytes) override {
    auto written = input_.writer().write_all(bytes, stage_.limits());
    if (!written) return stage_.explain(written.error());
    return ok();
  }

  Status finish() override {
    if (auto closed = input_.close(); !closed) return closed;
    return stage_.finish(input_);
  }

 private:
  Stage stage_;
  Input input_;
};

class CommandSource final : public ByteSource {
 public:
  CommandSource(Stage stage, UniqueFd output)
      : stage_(std::move(stage)), output_(std::move(output)) {}

  Result<size_t> read(std::span<std::byte> into) override {
    if (failed_) return *failed_;
    if (ended_) return size_t{0};
    auto count = read_some(output_.get(), into, stage_.limits());
    if (!count || *count > 0) return count;
    ended_ = true;
    auto status = stage_.finish();
    if (status) return size_t{0};
    failed_ = status.error();
    return *failed_;
  }

 private:
  Stage stage_;
  UniqueFd output_;
  bool ended_ = false;
  std::optional<Error> failed_;
};

// Writes and reads in one thread: whichever the command is ready for.
class FilterSink final : public ByteSink {
 public:
  FilterSink(Stage stage, UniqueFd input, UniqueFd output, ByteSink& next)
      : stage_(std::move(stage)),
        input_(std::move(input)),
        output_(std::move(output)),
        next_(next),
        buffer_(kFilterBufferBytes) {}
  ~FilterSink() override { stage_.end(); }

  Status write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      std::array<pollfd, 2> ends{pollfd{input_.writer().descriptor(), POLLOUT, 0},
                                 pollfd{output_.get(), POLLIN, 0}};
      if (auto ready = wait_ready(ends, stage_.limits(), "a filter"); !ready) return ready;
      if (ends[1].revents != 0) {
        auto moved = move_output();
        if (!moved) return moved.error();
        if (!*moved) return stage_.explain(Error{Errc::Environment, "the filter ended early"});
      }
      if (ends[0].revents == 0) continue;
      auto count = input_.writer().write_some(bytes);
      if (!count) return stage_.explain(count.error());
      bytes = bytes.subspan(*count);
    }
    return ok();
  }

  Status finish() override {
    if (auto closed = input_.close(); !closed) return closed;
    for (bool more = true; more;) {
      if (auto ready = wait_ready(output_.get(), POLLIN, stage_.limits(), "a filter"); !ready) {
        return ready;
      }
      auto moved = move_output();
      if (!moved) return moved.error();
      more = *moved;
    }
    if (auto ended = stage_.finish(input_); !ended) return ended;
    return next_.finish();
  }

 private:
  // What is there. False at its end.
  Result<bool> move_output() {
    auto count = read_ready(output_.get(), buffer_);
    if (!count) return count.error();
    if (!*count) return true;
    if (**count == 0) return false;
    auto written = next_.write(std::span<const std::byte>(buffer_).first(**count));
    if (!written) return written.error();
    return true;
  }

  Stage stage_;
  Input input_;
  UniqueFd output_;
  ByteSink& next_;
  std::vector<std::byte> buffer_;
};

}  // namespace

std::string quote_for_shell(std::string_view word) {
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

Result<std::unique_ptr<ByteSink>> make_command_sink(const std::string& command, int stdout_fd,
                                                    WaitLimits limits) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  auto child = start_shell(command, pipe->reader.get(), stdout_fd);
  if (!child) return child.error();
  return std::unique_ptr<ByteSink>(std::make_unique<CommandSink>(
      Stage(command, std::move(*child), limits), std::move(pipe->writer)));
}

Result<std::unique_ptr<ByteSource>> make_command_source(const std::string& command,
                                                        WaitLimits limits) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  auto child = start_shell(command, -1, pipe->writer.get());
  if (!child) return child.error();
  return std::unique_ptr<ByteSource>(std::make_unique<CommandSource>(
      Stage(command, std::move(*child), limits), std::move(pipe->reader)));
}

Result<std::unique_ptr<ByteSink>> make_filter_sink(const std::string& command, ByteSink& next,
                                                   WaitLimits limits) {
  auto input = make_pipe();
  if (!input) return input.error();
  auto output = make_pipe();
  if (!output) return output.error();
  auto child = start_shell(command, input->reader.get(), output->writer.get());
  if (!child) return child.error();
  return std::unique_ptr<ByteSink>(
      std::make_unique<FilterSink>(Stage(command, std::move(*child), limits),
                                   std::move(input->writer), std::move(output->reader), next));
}

Status run_command(const std::string& command, int stdout_fd, WaitLimits limits) {
  auto child = start_shell(command, -1, stdout_fd);
  if (!child) return child.error();
  return Stage(command, std::move(*child), limits).finish();
}

std::string escape_option(std::string_view value) {
  std::string text;
  for (char c : value) text += c == ',' ? std::string(",,") : std::string(1, c);
  return text;
}

}  // namespace vmstream
