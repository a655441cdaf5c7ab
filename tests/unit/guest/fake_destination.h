// SPDX-License-Identifier: MIT
// A destination of a postcopy migration that keeps what it is sent, for tests of the source.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include <vmstream/parser.h>
#include "base/unique_fd.h"
#include "format/records/records.h"
#include "support/catch.h"

namespace testing {

using vmstream::append_be;
using vmstream::Bytes;

/// What a fake destination does besides.
struct Script {
  /// Sent when the source says that the guest shall run.
  Bytes at_run = {};
  /// Sent at the first page that nobody asked for is received.
  Bytes at_first_page = {};
  /// Sent at the stream's end, in front of SHUT.
  Bytes at_end = {};
  /// Sent by a thread of its own from when the guest shall run, so many times.
  Bytes flood = {};
  size_t floods = 0;
  /// Closes after so many pages.
  size_t close_after = SIZE_MAX;
  /// Takes its time over each page.
  std::chrono::microseconds per_page{0};
};

/// Parses on a thread of its own, answers the ping behind the devices, and says SHUT at the end.
class FakeDestination final : public vmstream::StreamVisitor {
 public:
  using PageKey = std::pair<std::string, uint64_t>;

  FakeDestination() : FakeDestination(Script{}) {}
  explicit FakeDestination(Script script) : script_(std::move(script)) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    near_.reset(ends[0]);
    far_.reset(ends[1]);
  }

  int source_end() const { return near_.get(); }
  /// Runs until the stream or its connection ends. `head` is parsed first: what comes on a
  /// connection that was broken has no header of its own.
  void start(const Bytes& head = {}) {
    thread_ = std::jthread([this, head] { run(head); });
  }
  /// Closes the source's end and waits.
  void end() {
    near_.reset();
    if (thread_.joinable()) thread_.join();
  }

  // To be looked at behind end().
  std::map<PageKey, std::vector<std::byte>> pages;
  std::vector<PageKey> order;
  std::vector<std::string> commands;
  std::vector<std::string> devices;
  bool sent_twice = false;
  bool complete = false;

  static void append_request(Bytes& out, const std::string& block, uint64_t start,
                             uint32_t length) {
    append_be(out, uint16_t{3});
    append_be(out, static_cast<uint16_t>(13 + block.size()));
    append_be(out, start);
    append_be(out, length);
    REQUIRE(vmstream::append_counted_string(out, block));
  }
  static void append_request(Bytes& out, uint64_t start, uint32_t length) {
    append_be(out, uint16_t{4});
    append_be(out, uint16_t{12});
    append_be(out, start);
    append_be(out, length);
  }

 private:
  static constexpr uint16_t kShut = 1;
  static constexpr uint16_t kPong = 2;

  void say(const Bytes& bytes) const {
    [[maybe_unused]] auto sent = ::send(far_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void say(uint16_t type, uint32_t value, Bytes front = {}) const {
    append_be(front, type);
    append_be(front, uint16_t{4});
    append_be(front, value);
    say(front);
  }

  void run(const Bytes& head) {
    vmstream::StreamParser parser(*this);
    bool good = static_cast<bool>(parser.feed(head));
    std::vector<std::byte> buffer(65536);
    while (good && !complete) {
      ssize_t count = ::recv(far_.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0) break;
      good = static_cast<bool>(parser.feed(std::span(buffer).first(static_cast<size_t>(count))));
    }
    if (flood_.joinable()) flood_.join();
    if (complete) say(kShut, 0, script_.at_end);
    far_.reset();
  }

  vmstream::Status on_page(const vmstream::Page& page) override {
    if (pages.empty()) say(script_.at_first_page);
    PageKey key{page.block->name, page.block_offset};
    auto [place, is_new] = pages.try_emplace(key, page.payload.begin(), page.payload.end());
    if (place->second.empty()) place->second.assign(page.size, std::byte{page.fill});
    sent_twice = sent_twice || !is_new;
    order.push_back(key);
    std::this_thread::sleep_for(script_.per_page);
    if (order.size() < script_.close_after) return vmstream::ok();
    return vmstream::Error{vmstream::Errc::Interrupted, "closed on purpose"};
  }
  vmstream::Status on_section(const vmstream::SectionHeader& header) override {
    if (header.type == vmstream::SectionType::Full) devices.push_back(header.idstr);
    return vmstream::ok();
  }
  vmstream::Status on_command(const vmstream::Command& command) override {
    commands.emplace_back(name_of(command.type));
    if (command.type == vmstream::CommandType::Ping) {
      say(kPong, std::to_integer<uint32_t>(command.payload.back()));
    }
    if (command.type == vmstream::CommandType::PostcopyRun) {
      say(script_.at_run);
      flood_ = std::jthread([this] {
        for (size_t i = 0; i < script_.floods; ++i) say(script_.flood);
      });
    }
    return vmstream::ok();
  }
  vmstream::Status on_eof(uint64_t) override {
    complete = true;
    return vmstream::ok();
  }

  Script script_;
  vmstream::UniqueFd near_;
  vmstream::UniqueFd far_;
  std::jthread flood_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace testing
