// SPDX-License-Identifier: MIT
// gpg asks for the passphrase of a message when its bytes begin to come, which is when the guest
// has been stopped. Its agent asks whenever it is told to.
#include <fcntl.h>

#include <array>

#include <vmstream/openpgp.h>
#include <vmstream/text.h>
#include "base/unique_fd.h"
#include "io/child_process.h"
#include "io/fd.h"

namespace vmstream {
namespace {

// Twice, and to be forgotten: the three X stand for no cache, no error and the usual prompt.
constexpr const char* kQuestion =
    "GET_PASSPHRASE --data --repeat=1 -- X X X Passphrase+of+the+state+file";
constexpr std::string_view kAnswer = "D ";
constexpr size_t kMostWords = 512;

// The start of an answer: its first bytes, or fewer at the end.
Result<std::string> read_up_to(int fd, size_t most, const WaitLimits& limits) {
  std::string text;
  while (text.size() < most) {
    std::array<std::byte, kMostWords> buffer;
    auto count = read_some(fd, std::span(buffer).first(most - text.size()), limits);
    if (!count) return count.error();
    if (*count == 0) break;
    text.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
  return text;
}

// "ERR 83886179 Operation cancelled <Pinentry>"
Error refusal(const std::string& words) {
  size_t number = words.find(' ');
  size_t text = number == std::string::npos ? number : words.find(' ', number + 1);
  std::string why = text == std::string::npos ? "no answer" : words.substr(text + 1);
  while (why.ends_with('\n')) why.pop_back();
  return Error{.code = Errc::Environment,
               .message = "no passphrase from gpg-agent: " + escape(why),
               .hint = "gpg-agent asks through pinentry; a passphrase file needs neither"};
}

Result<std::shared_ptr<const Secret>> read_answer(int fd, const WaitLimits& limits) {
  auto start = read_up_to(fd, kAnswer.size(), limits);
  if (!start) return start.error();
  if (*start == kAnswer) return Secret::read_fd(fd, limits);
  auto rest = read_up_to(fd, kMostWords, limits);
  if (!rest) return rest.error();
  return refusal(*start + *rest);
}

}  // namespace

Result<std::shared_ptr<const Secret>> ask_new_passphrase(WaitLimits limits) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));  // where pinentry may ask
  auto agent = ChildProcess::start({"gpg-connect-agent", "-q", "--decode", kQuestion, "/bye"},
                                   {.stdin_fd = terminal.get(), .stdout_fd = pipe->writer.get()});
  if (!agent) return agent.error();
  pipe->writer.reset();
  auto answer = read_answer(pipe->reader.get(), limits);
  if (!answer) return answer;
  // It ends by itself now; ended by a signal it would complain to the user.
  if (auto ended = agent->wait(limits); !ended) return ended.error();
  return answer;
}

}  // namespace vmstream
