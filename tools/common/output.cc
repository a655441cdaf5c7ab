// SPDX-License-Identifier: MIT
#include "common/output.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/json_text.h"

namespace vmtools {
namespace {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Status;

// A pipe that is ready takes as much as this without waiting.
constexpr size_t kPieceBytes = 4096;

// What is printed is of the process, as stdout is.
struct Printed {
  std::string waiting;
  bool any = false;
  std::optional<Error> fault;
  const vmstream::Cancellation* cancellation = nullptr;
  CapturedOutput* captured = nullptr;
  bool on_terminal = ::isatty(STDOUT_FILENO) != 0;
};

Printed& printed() {
  static Printed of_the_process;
  return of_the_process;
}

bool reader_is_gone() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

// After a request to stop nothing is waited for, but what can be written is: the work may have been
// done when it came.
Status await_room(const vmstream::Cancellation* cancellation) {
  std::array<pollfd, 2> waiting{pollfd{STDOUT_FILENO, POLLOUT, 0},
                                pollfd{cancellation ? cancellation->descriptor() : -1, POLLIN, 0}};
  while (::poll(waiting.data(), waiting.size(), -1) < 0) {
    if (errno != EINTR) return vmstream::system_error("poll", errno);
  }
  if (waiting[0].revents != 0) return vmstream::ok();
  return Error{Errc::Interrupted, "interrupted"};
}

Status write_all(std::string_view text, const vmstream::Cancellation* cancellation) {
  while (!text.empty()) {
    if (auto room = await_room(cancellation); !room) return room;
    ssize_t count = ::write(STDOUT_FILENO, text.data(), std::min(text.size(), kPieceBytes));
    if (count >= 0) {
      text.remove_prefix(static_cast<size_t>(count));
    } else if (errno != EINTR && errno != EAGAIN) {
      return vmstream::system_error("write", errno);
    }
  }
  return vmstream::ok();
}

void write_waiting(Printed& out) {
  if (!out.fault) {
    auto written = write_all(out.waiting, out.cancellation);
    if (!written) out.fault = written.error();
  }
  out.waiting.clear();
}

}  // namespace

InterruptibleOutput::InterruptibleOutput(const vmstream::Cancellation& cancellation) {
  printed().cancellation = &cancellation;
}

InterruptibleOutput::~InterruptibleOutput() {
  printed().cancellation = nullptr;
}

CapturedOutput::CapturedOutput(size_t most_bytes) : most_bytes_(most_bytes) {
  printed().captured = this;
}

CapturedOutput::~CapturedOutput() {
  printed().captured = nullptr;
}

std::optional<std::string> CapturedOutput::take() {
  if (!is_whole_) return std::nullopt;
  return std::move(text_);
}

void print(std::string_view text) {
  Printed& out = printed();
  if (out.captured) {
    CapturedOutput& captured = *out.captured;
    captured.is_whole_ =
        captured.is_whole_ && text.size() <= captured.most_bytes_ - captured.text_.size();
    if (captured.is_whole_) captured.text_ += text;
    return;
  }
  out.any = out.any || !text.empty();
  out.waiting += text;
  bool is_shown = out.on_terminal && text.ends_with('\n');
  if (is_shown || out.waiting.size() >= kPieceBytes) write_waiting(out);
}

void print_json(const nlohmann::ordered_json& value) {
  print(json_text(value, 2));
  print("\n");
}

bool is_stdout(const std::string& path) {
  struct stat named {};
  struct stat out {};
  bool both = ::stat(path.c_str(), &named) == 0 && ::fstat(STDOUT_FILENO, &out) == 0;
  return both && !S_ISCHR(out.st_mode) && named.st_dev == out.st_dev && named.st_ino == out.st_ino;
}

bool has_printed() {
  return printed().any;
}

Status output_status() {
  if (printed().fault) return *printed().fault;
  return vmstream::ok();
}

Status flush_output() {
  write_waiting(printed());
  auto status = output_status();
  bool is_unwanted = !status && status.error().code == Errc::Environment && reader_is_gone();
  return is_unwanted ? vmstream::ok() : status;
}

}  // namespace vmtools
