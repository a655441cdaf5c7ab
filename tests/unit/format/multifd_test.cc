// SPDX-License-Identifier: MIT
// Page channels: every field, every header that no QEMU writes, pieces of any size.
#include "format/multifd/multifd.h"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/channel_builder.h"

using namespace vmstream;
using namespace testing;

namespace {

// What a reader told, a line an event; data that comes in pieces is one line.
class ChannelLog final : public MultifdVisitor {
 public:
  Status on_initial(const MultifdInitial& initial) override {
    return add(fmt::format("channel {}", initial.channel));
  }
  Status on_packet(const MultifdPacket& packet) override {
    data_ = 0;
    return add(fmt::format("packet {} at {} flags {:#x} {} '{}' pages {} zeros {} data {} {}",
                           packet.number, packet.offset, packet.flags, name_of(packet.method),
                           packet.block, fmt::join(packet.pages, ","), fmt::join(packet.zeros, ","),
                           packet.data_bytes, device_of(packet)));
  }
  Status on_data(uint64_t, std::span<const std::byte> bytes) override {
    data_ += bytes.size();
    return ok();
  }
  Status on_packet_end(uint64_t offset) override {
    return add(fmt::format("end at {} after {}", offset, data_));
  }
  Status on_problem(const Problem& problem) override {
    return add(fmt::format("{}: {}", problem.offset, problem.message));
  }

  std::vector<std::string> lines;

 private:
  static std::string device_of(const MultifdPacket& packet) {
    if (!packet.has_device_state()) return "";
    return fmt::format("device '{}' {}", packet.device, *packet.instance_id);
  }
  Status add(std::string line) {
    lines.push_back(std::move(line));
    return ok();
  }

  uint64_t data_ = 0;
};

struct Outcome {
  std::vector<std::string> lines;
  Status status = ok();

  std::string last() const { return lines.empty() ? "" : lines.back(); }
};

Outcome read(std::span<const std::byte> bytes, size_t piece = 1 << 20) {
  ChannelLog log;
  MultifdReader reader(log, ChannelBuilder::kPageBytes);
  Outcome outcome;
  while (outcome.status && !bytes.empty()) {
    auto part = bytes.first(std::min(piece, bytes.size()));
    outcome.status = reader.feed(part);
    bytes = bytes.subspan(part.size());
  }
  if (outcome.status) outcome.status = reader.finish();
  outcome.lines = std::move(log.lines);
  return outcome;
}

// A channel with a packet of two pages and one zero page, and what `change` makes of it.
Outcome changed(size_t at, uint8_t value) {
  ChannelBuilder channel(3);
  channel.packet({.number = 9, .block = "pc.ram", .pages = {1, 0}, .zeros = {2}});
  channel.bytes()[at] = std::byte{value};
  return read(channel.bytes());
}

constexpr size_t kPacket = 64;  // where the first one begins

}  // namespace

TEST_CASE("a channel of every kind of packet", "[format]") {
  ChannelBuilder channel(3);
  channel.sync(0).packet({.number = 9, .block = "pc.ram", .pages = {1, 0}, .zeros = {2}});
  channel.packet({.number = 9, .block = "pc.ram", .room = 128, .data_bytes = 77});
  channel.device("0000:00:05.0/vfio", 7, 5);
  auto outcome = read(channel.bytes());
  CHECK(outcome.status);
  CHECK(outcome.lines ==
        std::vector<std::string>{
            "channel 3", "packet 0 at 64 flags 0x1 none '' pages  zeros  data 0 ",
            "end at 1408 after 0",
            "packet 9 at 1408 flags 0x0 none 'pc.ram' pages 4096,0 zeros 8192 data 8192 ",
            "end at 10944 after 8192",
            "packet 9 at 10944 flags 0x0 none 'pc.ram' pages  zeros  "
            "data 0 ",
            "end at 12288 after 0",
            "packet 0 at 12288 flags 0x40 none '' pages  zeros  data 5 device "
            "'0000:00:05.0/vfio' 7",
            "end at 12569 after 5"});
}

TEST_CASE("pieces of a channel may have any size", "[format]") {
  ChannelBuilder channel(0, Packing::Zlib);
  channel.sync(0).packet({.number = 1, .block = "a", .pages = {0, 1}}).device("x/vfio", 1, 300);
  channel.sync(2);
  auto whole = read(channel.bytes());
  REQUIRE(whole.status);
  for (size_t piece : {1, 2, 3, 7, 12, 64, 1343, 1344, 1345}) {
    CHECK(read(channel.bytes(), piece).lines == whole.lines);
  }
}

TEST_CASE("a channel that is cut ends between two packets or is told to be cut", "[format]") {
  ChannelBuilder channel(0);
  channel.sync(0).packet({.number = 1, .block = "a", .pages = {0}}).device("x/vfio", 1, 300);
  std::vector<size_t> ends = channel.starts();
  for (size_t cut = 0; cut < channel.bytes().size(); ++cut) {
    auto outcome = read(std::span(channel.bytes()).first(cut));
    bool between = std::find(ends.begin(), ends.end(), cut) != ends.end();
    REQUIRE(static_cast<bool>(outcome.status) == between);
    if (between) continue;
    REQUIRE(outcome.status.error().code == Errc::Truncated);
    REQUIRE(outcome.status.error().offset == cut);
  }
}

TEST_CASE("headers that no QEMU writes end the reading", "[format]") {
  struct Case {
    size_t at;
    uint8_t value;
    std::string message;
    uint64_t offset;
  };
  const Case cases[] = {
      {0, 0x10, "packet begins with 0x10223344, wanted 0x11223344", 0},
      {7, 2, "packet has version 2, wanted 1", 4},
      {kPacket + 3, 0x45, "packet begins with 0x11223345, wanted 0x11223344", kPacket},
      {kPacket + 7, 0, "packet has version 0, wanted 1", kPacket + 4},
      {kPacket + 11, 6, "flags 0x6 hold more than one way of packing, wanted one", kPacket + 8},
      {kPacket + 19, 128, "packet of 128 pages with data and 1 zero pages, wanted 128 at most",
       kPacket + 16},
      {kPacket + 19, 3, "8192 bytes of data for 3 pages, wanted 12288", kPacket + 20},
      {kPacket + 23, 1, "8193 bytes of data for 2 pages, wanted 8192", kPacket + 20},
      {kPacket + 33, 1, "packet of 2 pages with data and 65537 zero pages, wanted 128 at most",
       kPacket + 16},
  };
  for (const Case& one : cases) {
    auto outcome = changed(one.at, one.value);
    REQUIRE_FALSE(outcome.status);
    CHECK(outcome.status.error().code == Errc::Malformed);
    CHECK(outcome.status.error().message == one.message);
    CHECK(outcome.status.error().offset == one.offset);
  }
}

TEST_CASE("packed data has a length within bounds", "[format]") {
  ChannelBuilder channel(0, Packing::Zstd);
  channel.packet({.number = 0, .block = "a", .pages = {0}, .data_bytes = 0x100001});
  CHECK(read(channel.bytes()).status.error().message ==
        "1048577 bytes of packed data, wanted 1 to 1048576");
  ChannelBuilder empty(0, Packing::Zstd);
  empty.packet({.number = 0, .block = "a", .pages = {0}, .data_bytes = 0});
  CHECK(read(empty.bytes()).status.error().message ==
        "0 bytes of packed data, wanted 1 to 1048576");
}

TEST_CASE("what no receiver minds is a problem and no end", "[format]") {
  struct Case {
    size_t at;
    uint8_t value;
    std::string message;
  };
  const Case cases[] = {
      {30, 5, "30: reserved bytes hold 0x05, wanted 0"},
      {kPacket + 10, 1, "72: flags 0x100 hold unknown ones, wanted none beyond 0x7f"},
      {kPacket + 15, 127, "76: packet has room for 127 pages, wanted 128"},
      {kPacket + 50, 1, "114: unused bytes hold 0x01, wanted 0"},
      {kPacket + 319, 1, "383: bytes behind the name hold 0x01, wanted 0"},
  };
  for (const Case& one : cases) {
    auto outcome = changed(one.at, one.value);
    CHECK(outcome.status);
    CHECK(std::find(outcome.lines.begin(), outcome.lines.end(), one.message) !=
          outcome.lines.end());
  }
}

// Real ones hang where it is less than the packet uses.
TEST_CASE("QEMU refuses room for fewer pages than there are", "[format]") {
  struct Effects final : MultifdVisitor {
    Status on_problem(const Problem& problem) override {
      all.push_back(problem.effect);
      return ok();
    }
    std::vector<LoadEffect> all;
  };
  auto effects_of = [](uint32_t room) {
    ChannelBuilder channel(3);
    channel.packet({.number = 9, .block = "pc.ram", .pages = {1, 0}, .zeros = {2}, .room = room});
    Effects effects;
    MultifdReader reader(effects, ChannelBuilder::kPageBytes);
    CHECK(reader.feed(channel.bytes()));
    return effects.all;
  };
  CHECK(effects_of(0) == std::vector{LoadEffect::Refused});
  CHECK(effects_of(2) == std::vector{LoadEffect::Refused});
  CHECK(effects_of(3) == std::vector{LoadEffect::Ignored});
  CHECK(effects_of(128).empty());
  CHECK(effects_of(129) == std::vector{LoadEffect::Refused});
}

TEST_CASE("a visitor's error stops the reader and stays", "[format]") {
  struct Refuser final : MultifdVisitor {
    Status on_packet(const MultifdPacket&) override { return Error{Errc::Interrupted, "enough"}; }
  } refuser;
  ChannelBuilder channel(0);
  channel.sync(0);
  MultifdReader reader(refuser, ChannelBuilder::kPageBytes);
  CHECK(reader.feed(channel.bytes()).error().code == Errc::Interrupted);
  CHECK(reader.finish().error().message == "enough");
  CHECK(reader.offset() == channel.bytes().size());
}
