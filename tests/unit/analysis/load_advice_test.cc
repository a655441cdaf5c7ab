// SPDX-License-Identifier: MIT
#include <vmstream/load_advice.h>
#include <vmstream/verification.h>

#include <algorithm>
#include <string>

#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;
using testing::StreamBuilder;
using Bytes = std::vector<std::byte>;

namespace {

std::vector<Advice> advise(const Bytes& stream, std::optional<QemuVersion> qemu = {}) {
  LoadAdviser adviser(qemu);
  auto source = make_memory_source(stream);
  auto scan = scan_stream(*source, adviser);
  return adviser.finish(scan);
}

const Advice* find(const std::vector<Advice>& list, AdviceKind kind, std::string_view words) {
  auto place = std::ranges::find_if(list, [&](const Advice& advice) {
    return advice.kind == kind && advice.text.find(words) != std::string::npos;
  });
  return place == list.end() ? nullptr : &*place;
}

StreamBuilder with_ram() {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-7.2").capabilities({"mapped-ram", "x-ignore-shared"});
  return stream;
}

}  // namespace

TEST_CASE("capabilities and machine are wanted of the destination", "[analysis]") {
  auto advice = advise(with_ram().eof().bytes(), QemuVersion{7, 0});
  CHECK(find(advice, AdviceKind::Needs, "-machine pc-q35-7.2"));
  CHECK(find(advice, AdviceKind::Needs, "capability mapped-ram"));
  CHECK(find(advice, AdviceKind::Needs, "capability x-ignore-shared"));
  CHECK(find(advice, AdviceKind::Fails, "does not know machine type pc-q35-7.2"));
  CHECK(find(advice, AdviceKind::Fails, "does not know mapped-ram"));
}

TEST_CASE("what the machine does not have of itself comes by an option", "[analysis]") {
  StreamBuilder stream;
  stream.header().configuration("pc-i440fx-7.2");
  stream.device(3, "0000:00:04.0/1/usb-kbd", "abcd").device(4, "slirp", "ab").eof();
  CHECK(find(advise(stream.bytes()), AdviceKind::Needs,
             "0000:00:04.0/1/usb-kbd (-device usb-kbd,port=1), slirp (-netdev user,id=net)."));
}

TEST_CASE("pages of old kinds are told of", "[analysis]") {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 0x8000}}).eos().footer().part(2);
  stream.page("pc.ram", 0, 1).fill_page("", 0x1000, 0x55);
  size_t delta = stream.size();
  stream.page_head("", 0x2000, 0x40).be8(1).be16(3).be16(1).be8(7);
  stream.page_head("", 0x3000, 0x100).be32(3).text("zip").eos().footer().eof();
  auto advice = advise(stream.bytes(), QemuVersion{9, 1});
  CHECK(find(advice, AdviceKind::Fails, "QEMU 9.0 and later refuse them"));
  CHECK(find(advice, AdviceKind::Fails, "cannot load compressed pages"));
  auto* xbzrle = find(advice, AdviceKind::Needs, "XBZRLE");
  REQUIRE(xbzrle);
  CHECK(xbzrle->offset == delta);
}

TEST_CASE("pages that went through other channels are missed", "[analysis]") {
  auto sent = [](uint64_t pages) {
    StreamBuilder stream;
    stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 0x3000}, {"rom", 0x1000}}).eos();
    stream.footer().part(2).page("rom", 0, 1);
    for (uint64_t page = 0; page < pages; ++page) stream.page("pc.ram", page << 12, 2);
    return advise(stream.eos().footer().end(2).eos().footer().eof().bytes());
  };
  CHECK(find(sent(1), AdviceKind::Needs, "missing are those of pc.ram (2 of 3)."));
  CHECK_FALSE(find(sent(3), AdviceKind::Needs, "missing"));
}

TEST_CASE("commands tell of postcopy and of releases", "[analysis]") {
  StreamBuilder stream;
  stream.header().command(1).command(3).command(99).eof();
  auto advice = advise(stream.bytes());
  CHECK(find(advice, AdviceKind::Needs, "postcopy-ram"));
  CHECK(find(advice, AdviceKind::Needs, "two-way connection"));
  CHECK(find(advice, AdviceKind::Fails, "command 0x63 is not known"));
}

TEST_CASE("a field is found inside of a struct and of a subsection", "[analysis]") {
  std::string json =
      R"({"page_size": 4096, "devices": [{"name": "rtc", "instance_id": 0, "vmsd_name": "rtc",)"
      R"("version": 1, "fields": [{"name": "clock", "type": "struct", "size": 4, "struct": )"
      R"({"vmsd_name": "clock", "version": 1, "fields": [{"name": "hours", "type": "uint16",)"
      R"("size": 2}, {"name": "minutes", "type": "uint16", "size": 2}]}}], "subsections": [)"
      R"({"vmsd_name": "rtc/irq", "version": 1, "fields": [{"name": "line", "type": "uint8",)"
      R"("size": 1}]}]}]})";
  StreamBuilder stream;
  stream.header().full(3, "rtc");
  size_t body = stream.size();
  stream.be16(1).be16(2).be8(5).counted("rtc/irq").be32(1).be8(9).footer().eof().vmdesc(json);
  LoadAdviser adviser;
  auto source = make_memory_source(stream.bytes());
  auto scan = scan_stream(*source, adviser);
  adviser.finish(scan);
  auto minutes = adviser.explain("qemu: Failed to load clock:minutes");
  REQUIRE(minutes.size() == 1);
  CHECK(minutes[0].offset == body + 2);
  auto line = adviser.explain("Failed to load rtc/irq:line");
  REQUIRE(line.size() == 1);
  CHECK(line[0].offset == body + 4 + 1 + 1 + 7 + 4);
  CHECK(adviser.explain("nothing of the kind").empty());

  Verifier verifier;
  auto again = make_memory_source(stream.bytes());
  auto read = scan_stream(*again, verifier);
  auto found = verifier.finish(read);
  CHECK(found.ok());
  CHECK(found.described == 1);
}

namespace {

// One device whose description says: version 1, two bytes, then the subsection rtc/irq.
const std::string kClock =
    R"({"page_size": 4096, "devices": [{"name": "0:1/rtc", "instance_id": 0, "vmsd_name": "rtc",)"
    R"("version": 1, "fields": [{"name": "hours", "type": "uint16", "size": 2}], "subsections": [)"
    R"({"vmsd_name": "rtc/irq", "version": 1, "fields": [{"name": "line", "type": "uint8",)"
    R"("size": 1}]}]}]})";

StreamBuilder clock_stream(std::string_view idstr, uint32_t version, uint32_t inner_version) {
  StreamBuilder stream;
  stream.header().full(3, idstr, 0, version).be16(1);
  stream.be8(5).counted("rtc/irq").be32(inner_version).be8(9).footer().eof().vmdesc(kClock);
  return stream;
}

}  // namespace

TEST_CASE("sections that are not as described are told of beforehand", "[analysis]") {
  constexpr size_t kSection = 8;
  constexpr size_t kVersion = kSection + 1 + 4 + 1 + 7 + 4;
  constexpr size_t kSubsection = kVersion + 4 + 2;
  auto sound = advise(clock_stream("0:1/rtc", 1, 1).bytes());
  CHECK(find(sound, AdviceKind::Needs, "in these places: 0:1/rtc"));
  CHECK_FALSE(find(sound, AdviceKind::Fails, ""));

  auto newer = advise(clock_stream("0:1/rtc", 2, 1).bytes());
  auto* version = find(newer, AdviceKind::Fails, "'0:1/rtc' has version 2, vmdesc says 1");
  REQUIRE(version);
  CHECK(version->offset == kVersion);

  auto inner = advise(clock_stream("0:1/rtc", 1, 7).bytes());
  auto* subsection = find(inner, AdviceKind::Fails, "'rtc/irq' has version 7");
  REQUIRE(subsection);
  CHECK(subsection->offset == kSubsection);
}

TEST_CASE("a line that names the device tells which one the others mean", "[analysis]") {
  StreamBuilder stream;
  std::string device = R"({"name": "dma", "vmsd_name": "dma", "version": 1, "fields": [)"
                       R"({"name": "command", "type": "uint8", "size": 1}], "instance_id": )";
  stream.header().full(3, "dma", 0, 1).be8(1).footer().full(4, "dma", 1, 1);
  size_t second = stream.size();
  stream.be8(2).footer().eof().vmdesc(R"({"page_size": 4096, "devices": [)" + device + "0}, " +
                                      device + "1}]}");
  LoadAdviser adviser;
  auto source = make_memory_source(stream.bytes());
  auto scan = scan_stream(*source, adviser);
  adviser.finish(scan);
  CHECK(adviser.explain("Failed to load dma:command").size() == 2);
  auto found = adviser.explain(
      "qemu: Failed to load dma:command\r\n"
      "qemu: error while loading state for instance 0x1 of device 'dma'\n"
      "qemu: load of migration failed: Invalid argument\n");
  REQUIRE(found.size() == 2);
  CHECK(found[0].offset == second);
  CHECK(found[1].text.find("Loading failed in the section 'dma' instance 1") == 0);
}

TEST_CASE("a verifier hears of names that no QEMU writes", "[analysis]") {
  StreamBuilder stream;
  stream.header().device(3, "ti\x81mer", "abc").eof();
  Verifier verifier;
  auto source = make_memory_source(stream.bytes());
  auto scan = scan_stream(*source, verifier);
  auto found = verifier.finish(scan);
  CHECK_FALSE(found.ok());
}
