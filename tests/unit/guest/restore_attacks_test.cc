// SPDX-License-Identifier: MIT
// Streams made to get past the guard of a restore, or to do harm before they have proved whole.
#include "support/catch.h"
#include "support/fake_qemu.h"
#include "unit/guest/handed_stream.h"

using namespace vmstream;
using namespace testing;

namespace {

using Add = std::function<void(StreamBuilder&)>;

struct Attack {
  const char* name;
  Add add;                     // between the block list and the pages
  std::optional<Errc> wanted;  // nothing: the restore succeeds
};

// Fills a package.
Add packed(Add fill) {
  return [fill](StreamBuilder& stream) {
    StreamBuilder inner;
    fill(inner);
    stream.package(inner);
  };
}

Add command(uint16_t type, std::string payload = {}) {
  return [=](StreamBuilder& stream) { stream.command(type, payload); };
}

// Commands that start a guest, and packages.
std::vector<Attack> package_attacks() {
  return {
      {"an empty package", packed([](auto&) {}), {}},
      {"a package of RUN alone", packed(command(kRun)), {}},
      {"RUN outside of a package", command(kRun), {}},
      {"LISTEN outside of a package", command(kListen), {}},
      {"RUN before LISTEN",
       packed([](auto& in) { in.command(kRun).command(kPing, be(1, 4)); }),
       {}},
      {"LISTEN behind RUN", packed([](auto& in) { in.command(kRun).command(kListen); }),
       Errc::Malformed},
      {"a device behind RUN", packed([](auto& in) { in.command(kRun).device(5, "cpu", "abc"); }),
       Errc::Malformed},
      {"memory in a package",
       packed([](auto& in) { in.part(2).page("pc.ram", 0, 1).eos().footer(); }), Errc::Unsupported},
      {"a package within a package", packed([](auto& in) {
         StreamBuilder inner;
         inner.command(kRun);
         in.package(inner);
       }),
       Errc::Malformed},
      {"EOF in a package", packed([](auto& in) { in.eof(); }), Errc::Malformed},
      {"a package with half a record", packed([](auto& in) { in.be8(8).be8(0); }), Errc::Malformed},
      {"a package head of 2 bytes", command(kPackaged, "ab"), Errc::Malformed},
  };
}

// Commands that no state file holds, and wrong payloads.
std::vector<Attack> command_attacks() {
  return {
      {"COLO", command(kColo), Errc::Unsupported},
      {"COLO in a package", packed(command(kColo)), Errc::Unsupported},
      {"RESUME", command(kResume), Errc::Unsupported},
      {"RECV_BITMAP", command(kRecvBitmap, "\6pc.ram"), Errc::Unsupported},
      {"command 0", command(0), Errc::Unsupported},
      {"command 12", command(12), Errc::Unsupported},
      {"command 0x105, RUN in its low byte", command(0x105), Errc::Unsupported},
      {"RUN with a payload", command(kRun, "x"), Errc::Unsupported},
      {"PING with a long payload", command(kPing, "12345"), Errc::Unsupported},
      {"an advice of 8 bytes", command(kAdvise, "12345678"), Errc::Unsupported},
      {"an advice of larger pages", command(kAdvise, advice_payload(8192)), Errc::Malformed},
      {"a discard of no block", command(kDiscard, ""), Errc::Malformed},
      {"a discard of an unknown block", command(kDiscard, discard_payload("nothing", 0, 4096)),
       Errc::Malformed},
      {"a discard of half a range",
       command(kDiscard, discard_payload("pc.ram", 0, 4096) + "1234567"), Errc::Malformed},
  };
}

// Sections under other names, and disks.
std::vector<Attack> section_attacks() {
  return {
      {"memory as a device", [](auto& in) { in.device(3, "ram", "abc"); }, Errc::Malformed},
      {"disks as a device", [](auto& in) { in.device(3, "block", be(2, 8)); }, Errc::Malformed},
      {"disks behind a NUL",
       [](auto& in) { in.start(3, std::string_view("block\0x", 7)).be64(2).footer(); },
       Errc::Malformed},
      {"a device's name as an iterable",
       [](auto& in) { in.start(3, "timer").text("x").footer(); },
       {}},
      {"an iterable called early",
       [](auto& in) { in.start(3, "0/virtio-mem-device-early").text(early_body()).footer(); },
       {}},
      {"a device with early state behind its NUL",
       [](auto& in) {
         in.full(3, std::string_view("timer\0/virtio-mem-device-early", 30)).text(early_body());
         in.footer();
       },
       Errc::Malformed},
      {"memory again under the id of all devices",
       [](auto& in) {
         in.start(0, "ram", 4).eos().footer();
         in.part(0).page("pc.ram", 0x1000, 1).eos().footer();
       },
       Errc::Malformed},
      {"early state under the id of the memory",
       [](auto& in) { in.device(2, "0/virtio-mem-device-early", early_body()); }, Errc::Malformed},
      {"a device under the id of the memory", [](auto& in) { in.device(2, "cpu", "abc"); },
       Errc::Malformed},
      {"two devices under one id",
       [](auto& in) { in.device(3, "cpu", "abc").device(3, "apic", "abc"); }, Errc::Malformed},
      {"the block list again",
       [](auto& in) {
         in.part(2).ram_blocks({{"pc.ram", 0x8000}}).eos().footer();
       },
       Errc::Malformed},
      {"contents of a disk",
       [](auto& in) {
         in.start(3, "block").be64(2).footer();
         in.part(3).be64(1).counted("d0").repeat(1 << 20, 7).be64(2).footer();
       },
       Errc::Refused},
      {"a cleared chunk of a disk",
       [](auto& in) { in.start(3, "block").be64(9).counted("d0").be64(2).footer(); },
       Errc::Refused},
  };
}

}  // namespace

TEST_CASE("attacks on the guard", "[guard]") {
  auto attack = GENERATE(from_range(package_attacks()), from_range(command_attacks()),
                         from_range(section_attacks()));
  Bytes bytes = stream_with(attack.add);
  for (HoldBack mode : kModes) {
    Handed handed = guard(bytes, {.hold_back = mode});
    INFO(attack.name << ": " << (handed.status ? "restored" : handed.status.error().message));
    REQUIRE(bool(handed.status) == !attack.wanted);
    if (attack.wanted) CHECK(handed.status.error().code == *attack.wanted);
    CHECK(handed.decisions == (attack.wanted ? 0 : 1));
    if (mode != HoldBack::End) CHECK(testing::harm_of(handed.early, true) == "");
    for (auto word : {"POSTCOPY_RUN", "POSTCOPY_LISTEN", "PACKAGED"}) {
      CHECK_FALSE(handed.has(word));
    }
  }
}

// Fills the content of the page whose head was written last.
void hide(StreamBuilder& stream, const StreamBuilder& hidden) {
  stream.text(hidden.as_text()).repeat(4096 - hidden.size(), 0).eos().footer();
}

// A QEMU that ignores shared memory reads an address behind each block, and finds other records in
// the rest. Where there is no configuration the stream does not say so, and nothing is compared.
TEST_CASE("memory whose list QEMU may read otherwise waits", "[guard]") {
  StreamBuilder hidden;
  hidden.eos().text("\x7e" + be(2, 4)).device(5, "timer", "x").eof();
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 0x1000}, {"AAAAAAA pc.bios", 0x1000}});
  stream.eos().footer().part(2).page_head("pc.ram", 0, 0x008);
  hide(stream, hidden);
  stream.end(2).eos().footer();
  ending(stream);
  for (HoldBack mode : kStrictModes) {
    Handed unknown = guard(stream.bytes(), {.hold_back = mode});
    REQUIRE(unknown.status);
    CHECK_FALSE(unknown.has("page", true));
    CHECK((unknown.all == stream.bytes()));
    Handed on = guard(stream.bytes(), {.hold_back = mode, .ignores_shared = true});
    REQUIRE_FALSE(on.status);
    CHECK(on.status.error().code == Errc::Unsupported);
    Handed off =
        guard(stream.bytes(), {.hold_back = mode, .target = "x86_64", .ignores_shared = false});
    CHECK(off.has("page", true));
    CHECK(testing::harm_of(off.early, true, true) == "");
  }
}

// The description and QEMU differ about where the body ends.
TEST_CASE("a command in the end of early device state does not pass", "[guard]") {
  std::string body = early_body() + "\x7e" + be(7, 4) + StreamBuilder().command(kAdvise).as_text();
  std::string name = "0000:00:05.0/virtio-mem-device-early";
  for (bool described : {false, true}) {
    auto stream = opening();
    ram_start(stream).device(7, name, body);
    ram_end(stream);
    ending(stream);
    if (described) stream.vmdesc(testing::make_vmdesc({{name, body.size()}, {"timer", 10}}));
    Handed handed = guard(stream.bytes(), {}, stream.size());
    CHECK(testing::harm_of(handed.early, true) == "");
    CHECK((described || !handed.status));
  }
}

// QEMU reads 4096 bytes where the parser has been led to read 8192: what hides in the second half
// would be records to it.
TEST_CASE("pages of a size that is not QEMU's do not hide records from the guard", "[guard]") {
  auto hidden = [](StreamBuilder stream, bool advised) {
    if (advised) stream.command(kAdvise, advice_payload(8192));
    ram_start(stream);
    stream.part(2).page_head("pc.ram", 0, 0x008).repeat(4096, 1);
    size_t second_half = stream.size();
    stream.eos().footer().command(kAdvise).command(kPackaged, be(5, 4)).command(kRun);
    stream.repeat(4096 - (stream.size() - second_half), 0);
    stream.eos().footer().be8(2).be32(2).page_head("pc.ram", 0x2000, 0x008).repeat(8192, 2);
    return stream.eos().footer().eof().bytes();
  };
  struct Case {
    StreamBuilder opening;
    bool advised;
    std::string target;
  };
  auto bits = opening("virt-7.2");
  bits.page_bits(13);
  StreamBuilder bare;
  bare.header();
  const Case cases[] = {
      {opening(), true, ""},
      {opening(), false, ""},
      {opening("virt-7.2"), true, ""},
      {opening("virt-7.2"), true, "x86_64"},
      {bits, false, ""},
      {bare, true, "x86_64"},
      {bare, true, "aarch64"},
      {bare, true, ""},
  };
  for (const Case& the : cases) {
    for (HoldBack mode : kStrictModes) {
      Handed handed =
          guard(hidden(the.opening, the.advised), {.hold_back = mode, .target = the.target});
      CHECK(testing::harm_of(handed.early, true) == "");
    }
  }
}
