// SPDX-License-Identifier: MIT
// The parts of a multifd guest held against each other: each rule, each cut, each flipped header.
#include <vmstream/multifd_guest.h>
#include <vmstream/stream_scan.h>

#include <algorithm>
#include <string>
#include <vector>

#include "state/multifd/main_facts.h"
#include "support/catch.h"
#include "support/channel_builder.h"
#include "support/every.h"

using namespace vmstream;
using namespace testing;

namespace {

using Bytes = std::vector<std::byte>;

MultifdFindings judge(StreamBuilder main, const std::vector<Bytes>& channels) {
  MultifdGuest guest;
  auto stream = make_memory_source(main.bytes());
  scan_stream(*stream, guest.main_visitor());
  for (const Bytes& channel : channels) {
    auto source = make_memory_source(channel);
    REQUIRE(guest.read_channel(*source));
  }
  return guest.finish();
}

MultifdFindings judge(const std::vector<Bytes>& channels) {
  return judge(multifd_main(), channels);
}

std::vector<Bytes> whole(Packing packing = Packing::None) {
  return {multifd_channel(0, packing), multifd_channel(1, packing)};
}

// "0@1234 message", of the channel in that place, and "message" of none.
std::vector<std::string> messages(const MultifdFindings& found) {
  std::vector<std::string> all;
  for (size_t i = 0; i < found.channels.size(); ++i) {
    for (const Problem& problem : found.channels[i].problems.kept()) {
      all.push_back(std::to_string(i) + "@" + std::to_string(problem.offset) + " " +
                    problem.message);
    }
  }
  for (const Problem& problem : found.problems.kept()) all.push_back(problem.message);
  return all;
}

bool tells(const MultifdFindings& found, const std::string& message) {
  auto all = messages(found);
  return std::ranges::any_of(
      all, [&](const std::string& one) { return one.find(message) != std::string::npos; });
}

std::vector<Bytes> whole_of_new_sender() {
  return {new_multifd_channel(0), new_multifd_channel(1)};
}

// The second channel with another packet in the place of its only one with pages.
MultifdFindings with_packet(const PacketFields& fields) {
  ChannelBuilder channel(1);
  channel.new_sync(1).packet(fields).new_sync(5).new_sync(8);
  return judge({new_multifd_channel(0), channel.bytes()});
}

// What the worst of the problems does to a load.
LoadEffect effect_of(const MultifdFindings& found) {
  auto worst = LoadEffect::Ignored;
  auto weigh = [&](const ProblemLog& log) {
    for (const Problem& problem : log.kept()) worst = std::min(worst, problem.effect);
  };
  for (const MultifdChannel& channel : found.channels) weigh(channel.problems);
  weigh(found.problems);
  return worst;
}

}  // namespace

TEST_CASE("a guest in parts is whole, in any order and packing", "[state]") {
  for (Packing packing : {Packing::None, Packing::Zlib, Packing::Zstd}) {
    auto parts = whole(packing);
    for (int order = 0; order < 2; ++order) {
      auto found = judge(parts);
      CHECK(messages(found) == std::vector<std::string>{});
      CHECK(found.ok());
      CHECK(found.absent_pages == 0);
      CHECK(found.main_zero_pages == 1);
      std::ranges::reverse(parts);
    }
  }
  CHECK(messages(judge(whole_of_new_sender())) == std::vector<std::string>{});
  auto found = judge(whole(Packing::Zstd));
  const MultifdChannel& second = found.channels[1];
  CHECK(second.initial->channel == 1);
  CHECK(second.packets == 4);
  CHECK(second.syncs == 3);
  CHECK(second.pages == 2);
  CHECK(second.zero_pages == 1);
  CHECK(second.method == MultifdMethod::Zstd);
  CHECK(second.data_read());
}

TEST_CASE("every cut of a channel is told", "[state]") {
  for (Packing packing : {Packing::None, Packing::Zlib}) {
    auto parts = whole(packing);
    // The last packet of the first channel is empty and behind a SYNC: nobody misses it.
    parts[0].resize(parts[0].size() - ChannelBuilder::kHeaderBytes);
    REQUIRE(judge(parts).ok());
    for (size_t cut_one : {0, 1}) {
      for (size_t cut = 0; cut < parts[cut_one].size(); cut += every()) {
        auto cut_parts = parts;
        cut_parts[cut_one].resize(cut);
        REQUIRE_FALSE(judge(cut_parts).ok());
      }
    }
  }
}

TEST_CASE("every channel that is missing, or is there twice, is told", "[state]") {
  auto parts = whole();
  CHECK(tells(judge(std::vector<Bytes>{}), "no page channel, wanted one or more"));
  CHECK(tells(judge({parts[1]}), "channel 0 is missing, wanted all of 0 to 1"));
  CHECK(tells(judge({parts[0]}), "wanted 8"));
  CHECK(tells(judge({parts[0]}), "RAM block 'pc.ram' lacks 3 of 6 pages, the first at 0x2000"));
  auto twice = judge({parts[0], parts[1], parts[0]});
  CHECK(tells(twice, "2@24 this is channel 0, which another part is, wanted one of its own"));
  parts = whole_of_new_sender();
  CHECK(tells(judge({parts[0], parts[1], parts[0]}),
              "2@88 packet has number 0, which another one has"));
}

TEST_CASE("every flipped byte of a header is told", "[state]") {
  const auto parts = whole_of_new_sender();
  constexpr size_t kSync = 64;
  constexpr size_t kPages = kSync + ChannelBuilder::kHeaderBytes;
  constexpr size_t kUsed = kPages + 320 + 3 * 8;  // the end of the offsets that mean something
  // Of a SYNC without pages the size of the data, the name and the offsets mean nothing; and its
  // room tells what sender this is.
  auto means_nothing = [](size_t at) {
    return (at >= kSync + 20 && at < kSync + 24) || (at >= kSync + 64 && at < kPages);
  };
  for (size_t at = 0; at < kUsed; ++at) {
    if (means_nothing(at)) continue;
    for (unsigned flip : {0x01u, 0x40u, 0xffu}) {
      auto flipped = parts;
      flipped[1][at] ^= static_cast<std::byte>(flip);
      INFO(at << " " << flip);
      CHECK_FALSE(judge(flipped).ok());
    }
  }
}

TEST_CASE("channels are of one guest", "[state]") {
  ChannelBuilder other(1, Packing::None, 0xab);
  other.sync(1).packet({.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}});
  other.sync(5).sync(8);
  auto found = judge({multifd_channel(0), other.bytes()});
  CHECK(messages(found) ==
        std::vector<std::string>{
            "1@8 the channel is of guest abababab-abab-abab-abab-abababababab, wanted "
            "00000000-0000-0000-0000-000000000000 as in the other parts"});
}

TEST_CASE("pages belong to the blocks of the main stream", "[state]") {
  CHECK(with_packet({.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}}).ok());
  CHECK(tells(with_packet({.number = 3, .block = "vga", .pages = {3, 2}, .zeros = {4}}),
              "1@1472 pages of RAM block 'vga', wanted one of the main stream's list"));
  CHECK(tells(with_packet({.number = 3, .block = "pc.ram", .pages = {3, 6}, .zeros = {4}}),
              "1@1736 page at 0x6000 of RAM block 'pc.ram', wanted a multiple of 0x1000 below "
              "0x6000"));
  CHECK(tells(with_packet({.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4, 4}}),
              "page at 0x4000 twice in one packet, wanted once"));
}

TEST_CASE("packets of newer senders have numbers without a gap", "[state]") {
  PacketFields good{.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}};
  auto with_number = [&](uint64_t number) {
    auto fields = good;
    fields.number = number;
    return with_packet(fields);
  };
  CHECK(with_number(3).ok());
  CHECK(tells(with_number(2), "packet has number 2, which another one has"));
  CHECK(tells(with_number(0), "packet has number 0, wanted more than 1 of the one before it"));
  CHECK(tells(with_number(uint64_t{1} << 40), "packet has number 1099511627776, wanted less than"));
  CHECK(tells(with_number(20),
              "9 packets with different numbers up to 20, wanted 21: number 3 is in no channel"));
  for (uint64_t number : {uint64_t{0}, uint64_t{2}, uint64_t{6}, uint64_t{99}, uint64_t{1} << 40}) {
    CHECK_FALSE(with_number(number).ok());
    CHECK(effect_of(with_number(number)) == LoadEffect::Ignored);
  }
}

// Two SYNCs overtook pages, and one of the empty packets behind them was never sent.
TEST_CASE("packets of old senders lose numbers and repeat them", "[state]") {
  PacketFields pages{.block = "pc.ram", .pages = {3, 2}, .zeros = {4}};
  auto with_last = [&](const std::vector<PacketFields>& last) {
    ChannelBuilder channel(1);
    channel.sync(1).sync(5);
    for (PacketFields fields : last) {
      fields.block = "pc.ram";
      channel.packet(fields);
    }
    return judge({multifd_channel(0), channel.bytes()});
  };
  std::vector<uint64_t> all{3, 2};
  CHECK(messages(with_last({{.number = 9, .pages = all, .zeros = {4}, .sync = true}})) ==
        std::vector<std::string>{});
  CHECK(with_last({{.number = 9, .pages = all, .zeros = {4}, .sync = true}, {.number = 9}}).ok());
  CHECK(with_last({{.number = 5, .pages = all, .zeros = {4}}, {.number = 8, .sync = true}}).ok());
  CHECK(tells(with_last({{.number = 4, .pages = all, .zeros = {4}}, {.number = 8, .sync = true}}),
              "packet has number 4, wanted more than 5 of the one before it"));
}

TEST_CASE("a channel of an old sender is missed by its numbers", "[state]") {
  ChannelBuilder idle(2);  // without a page: no other part tells of it
  ChannelBuilder busy(1);
  busy.sync(1).packet({.number = 4, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}});
  ChannelBuilder first(0);
  first.sync(0).packet({.number = 3, .block = "pc.ram", .pages = {0, 1}});
  first.packet({.number = 5, .block = "rom", .pages = {0}}).sync(6).sync(9);
  busy.sync(7).sync(10);
  idle.sync(2).sync(8).sync(11);
  CHECK(judge({first.bytes(), busy.bytes(), idle.bytes()}).ok());
  CHECK(tells(judge({first.bytes(), busy.bytes()}),
              "9 packets with different numbers up to 10, wanted 11: number 2 is in no channel"));
}

TEST_CASE("what a packet has that QEMU minds is refused", "[state]") {
  PacketFields good{.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}};
  auto with_room = [&](uint32_t room) {
    auto fields = good;
    fields.room = room;
    return effect_of(with_packet(fields));
  };
  CHECK(with_room(127) == LoadEffect::Ignored);
  CHECK(with_room(3) == LoadEffect::Ignored);
  CHECK(with_room(2) == LoadEffect::Refused);
  CHECK(with_room(0) == LoadEffect::Refused);
  CHECK(with_room(129) == LoadEffect::Refused);
  auto twice = good;
  twice.zeros = {4, 4};
  CHECK(effect_of(with_packet(twice)) == LoadEffect::Ignored);
}

TEST_CASE("numbers of packets far apart are told and not kept", "[state]") {
  CHECK(with_packet({.number = (uint64_t{1} << 27) - 1, .block = "pc.ram", .pages = {2}})
            .channels[1]
            .problems.total() == 1);  // the SYNC behind it
  CHECK(tells(with_packet({.number = uint64_t{1} << 27, .block = "pc.ram", .pages = {2}}),
              "packet has number 134217728, wanted less than 134217728"));
}

TEST_CASE("all channels have the SYNC packets that the main stream waits for", "[state]") {
  ChannelBuilder more(1);
  more.sync(1).packet({.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}});
  more.sync(5).sync(8).sync(9);
  CHECK(tells(judge({multifd_channel(0), more.bytes()}),
              "the channel has 4 SYNC packets, wanted 3 as in the other parts"));
  CHECK(judge(multifd_main(2), whole()).ok());  // the last SYNC has no mark
  CHECK(tells(judge(multifd_main(4), whole()), "the channel has 3 SYNC packets, wanted 4"));
}

TEST_CASE("data unpacks to the pages of its packet", "[state]") {
  for (Packing packing : {Packing::Zlib, Packing::Zstd}) {
    auto parts = whole(packing);
    size_t count_at = 64 + ChannelBuilder::kHeaderBytes + 16 + 3;
    auto more = parts;
    more[1][count_at] = std::byte{3};
    CHECK(tells(judge(more), "the data unpacks to 8192 bytes, wanted 12288"));
    auto fewer = parts;
    fewer[1][count_at] = std::byte{1};
    CHECK(tells(judge(fewer), "the data unpacks to more than 4096 bytes, wanted 4096"));
    auto damaged = parts;
    size_t data_at = 64 + 2 * ChannelBuilder::kHeaderBytes;
    damaged[1][data_at] ^= std::byte{0xff};
    CHECK(tells(judge(damaged), packing == Packing::Zlib ? "the zlib stream of the channel"
                                                         : "the zstd stream of the channel"));
  }
  auto mixed = judge({multifd_channel(0), multifd_channel(1, Packing::Zlib)});
  CHECK(tells(mixed, "pages packed by zlib, wanted none as in other packets"));
}

TEST_CASE("data of accelerators is not looked into, and that is said", "[state]") {
  auto found = judge(whole(Packing::Qpl));
  CHECK(found.ok());
  CHECK_FALSE(found.channels[0].data_read());
}

TEST_CASE("a main stream that is cut is no reason to blame the channels", "[state]") {
  StreamBuilder cut = multifd_main();
  cut.bytes().resize(cut.size() - 30);
  auto found = judge(cut, whole());
  CHECK(messages(found) == std::vector<std::string>{});
  StreamBuilder nothing;
  nothing.header();
  CHECK(judge(nothing, whole()).ok());
}

TEST_CASE("device state is counted apart", "[state]") {
  ChannelBuilder channel(1);
  channel.sync(1).packet({.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}});
  channel.sync(5).sync(8).device("0000:00:05.0/vfio", 0, 100);
  auto found = judge({multifd_channel(0), channel.bytes()});
  CHECK(messages(found) == std::vector<std::string>{});
  CHECK(found.channels[1].device_packets == 1);
}

TEST_CASE("pages that a balloon gave back are no damage", "[state]") {
  StreamBuilder main = multifd_main(0, false);
  main.device(2, "0000:00:03.0/virtio-balloon", "x").eof();
  ChannelBuilder channel(1);
  channel.sync(1).packet({.number = 3, .block = "pc.ram", .pages = {3}}).sync(5).sync(8);
  auto found = judge(main, {multifd_channel(0), channel.bytes()});
  CHECK(messages(found) == std::vector<std::string>{});
  CHECK(found.absent_pages == 2);
}

TEST_CASE("a page size that the main stream tells too late", "[state]") {
  StreamBuilder main;
  main.header().configuration("virt").start(1, "ram", 4).ram_blocks({{"ram", 1 << 20}});
  main.eos().footer().end(1).eos().footer().eof().vmdesc(make_vmdesc({}, 8192));
  MultifdGuest guest;
  auto stream = make_memory_source(main.bytes());
  scan_stream(*stream, guest.main_visitor());
  auto bytes = multifd_channel(0);
  auto source = make_memory_source(bytes);
  auto read = guest.read_channel(*source);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::Unsupported);
  CHECK(read.error().message ==
        "pages of 8192 bytes, wanted 4096, as other machines have: the channels cannot be read");
}

TEST_CASE("a guest that is too large for the memory is no damage", "[state]") {
  MultifdGuest guest(2 * NumberSet::kChunkBytes - 1);  // a chunk for pc.ram, none for rom
  auto main = multifd_main();
  auto stream = make_memory_source(main.bytes());
  CHECK_FALSE(scan_stream(*stream, guest.main_visitor()).fault);
  auto bytes = multifd_channel(1);
  auto fits = make_memory_source(bytes);
  CHECK(guest.read_channel(*fits));
  for (uint8_t id : {0, 1}) {
    bytes = multifd_channel(id);
    auto source = make_memory_source(bytes);
    auto read = guest.read_channel(*source);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Errc::Unsupported);
    CHECK(read.error().message == "to know which pages came takes more than 2175 bytes");
  }
}

TEST_CASE("a main stream with more pages than the memory is read all the same", "[state]") {
  MultifdGuest guest(0);
  auto main = multifd_main();
  auto stream = make_memory_source(main.bytes());
  CHECK_FALSE(scan_stream(*stream, guest.main_visitor()).fault);
  auto bytes = multifd_channel(0);
  auto source = make_memory_source(bytes);
  CHECK(guest.read_channel(*source).error().code == Errc::Unsupported);
}

TEST_CASE("a set of numbers", "[state]") {
  NumberSet set;
  CHECK(set.first_missing() == 0);
  for (uint64_t number = 0; number < 20000; ++number) CHECK(set.insert(number));
  CHECK_FALSE(set.insert(9000));
  CHECK(set.size() == 20000);
  CHECK(set.first_missing() == 20000);
  CHECK(set.insert(uint64_t{1} << 50));
  CHECK(set.end() == (uint64_t{1} << 50) + 1);
  CHECK(set.bytes() == 4 * NumberSet::kChunkBytes);
}
