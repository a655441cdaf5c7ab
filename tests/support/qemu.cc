// SPDX-License-Identifier: MIT
#include "support/qemu.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "support/catch.h"

namespace testing {
namespace {

using namespace std::chrono_literals;
using vmstream::Clock;

constexpr auto kPatience = 20s;

// A listening port of the system's choice: handing QEMU the socket leaves no race for the number.
vmstream::UniqueFd listen_on_loopback(std::string& port) {
  vmstream::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&where), size) == 0);
  REQUIRE(::listen(fd.get(), 1) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&where), &size) == 0);
  port = std::to_string(ntohs(where.sin_port));
  return fd;
}

// The string behind `key` in one of QEMU's flat answers.
std::string find_text(const std::string& json, const std::string& key) {
  auto from = json.find('"' + key + "\":\"");
  if (from == std::string::npos) return {};
  from += key.size() + 4;
  return json.substr(from, json.find('"', from) - from);
}

}  // namespace

std::vector<Tick> read_ticks(const std::string& path) {
  std::ifstream in(path);
  std::vector<Tick> ticks;
  std::string mark, number, verdict, sum;
  // The last line may be half printed: without its end it does not count.
  for (std::string line; std::getline(in, line) && !in.eof();) {
    std::istringstream words(line);
    if (words >> mark >> number >> verdict >> sum && mark == "T") {
      ticks.push_back({std::stoull(number), verdict == "OK"});
    }
  }
  return ticks;
}

std::optional<Tick> wait_for_tick(const std::string& path, uint64_t number,
                                  std::chrono::seconds patience) {
  for (auto until = Clock::now() + patience; Clock::now() < until;) {
    auto ticks = read_ticks(path);
    if (!ticks.empty() && ticks.back().number >= number) return ticks.back();
    std::this_thread::sleep_for(20ms);
  }
  return std::nullopt;
}

std::vector<std::string> qemu_command(const std::string& serial, const QemuOptions& options) {
  std::vector<std::string> argv = {"qemu-system-x86_64",
                                   "-M",
                                   "pc",
                                   "-accel",
                                   options.accel,
                                   "-m",
                                   std::to_string(options.memory_mib),
                                   "-display",
                                   "none",
                                   "-nodefaults",
                                   "-no-user-config",
                                   "-serial",
                                   "file:" + serial,
                                   "-boot",
                                   "a",
                                   "-drive",
                                   "file=" VMSTREAM_TEST_GUEST ",format=raw,if=floppy,readonly=on"};
  argv.insert(argv.end(), options.extra.begin(), options.extra.end());
  return argv;
}

Qemu::Qemu(const QemuOptions& options) {
  auto argv = qemu_command(serial_, options);
  std::string listener;
  if (options.tcp_monitor) {
    monitor_.kind = vmstream::QmpAddress::Kind::Tcp;
    monitor_.host = "127.0.0.1";
    listener_ = listen_on_loopback(monitor_.port);
    listener = fmt::format("fd={}", listener_.get());
  } else {
    monitor_.path = folder_ / "qmp";
    listener = "path=" + monitor_.path;
  }
  argv.insert(argv.end(), {"-chardev", "socket,id=qmp,server=on,wait=off," + listener, "-mon",
                           "chardev=qmp,mode=control"});
  if (options.incoming) argv.insert(argv.end(), {"-incoming", "defer"});
  vmstream::ChildSetup setup;
  if (listener_.is_open()) setup.kept_fds = {listener_.get()};
  auto child = vmstream::ChildProcess::start(argv, setup);
  REQUIRE(child);
  child_.emplace(std::move(*child));
  listener_.reset();
  for (auto until = Clock::now() + kPatience; Clock::now() < until;) {
    if (vmstream::QmpClient::connect(monitor_, {.deadline = Clock::now() + 5s})) return;
    std::this_thread::sleep_for(20ms);
  }
  FAIL("QEMU's monitor does not answer");
}

Tick Qemu::last_tick() const {
  auto ticks = read_ticks(serial_);
  return ticks.empty() ? Tick{} : ticks.back();
}

Tick Qemu::await_ticks(uint64_t count) const {
  auto tick = wait_for_tick(serial_, last_tick().number + count, kPatience);
  REQUIRE(tick);
  return *tick;
}

bool Qemu::stands_still() const {
  std::this_thread::sleep_for(50ms);  // what was printed before may still be on its way
  uint64_t before = last_tick().number;
  std::this_thread::sleep_for(250ms);
  return last_tick().number == before;
}

std::string Qemu::ask(const std::string& command, const std::string& arguments) const {
  auto client = vmstream::QmpClient::connect(monitor_, {.deadline = Clock::now() + kPatience});
  REQUIRE(client);
  auto answer = client->execute(command, arguments);
  INFO((answer ? "" : answer.error().message));
  REQUIRE(answer);
  return *answer;
}

std::string Qemu::run_state() const {
  return find_text(ask("query-status"), "status");
}

void Qemu::kill() {
  ::kill(child_->pid(), SIGKILL);
}

std::optional<vmstream::ExitStatus> Qemu::wait_for_end() {
  auto status = child_->wait({.deadline = Clock::now() + kPatience});
  if (!status) return std::nullopt;
  return *status;
}

}  // namespace testing
