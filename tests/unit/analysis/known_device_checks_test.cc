// SPDX-License-Identifier: MIT
#include "analysis/scan/part_checks.h"

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/scan/stream_checks.h"
#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;
using testing::StreamBuilder;

namespace {

struct Section {
  std::string idstr;
  uint32_t instance = 0;
  uint32_t version = 1;
  std::string body = {};
  uint8_t type = 4;
};

// Bytes of no meaning that end in none.
std::string filled(size_t length) {
  return std::string(length, 'x');
}

std::string be32(uint32_t value) {
  return StreamBuilder().be32(value).as_text();
}

std::string subsection(std::string_view name, size_t length) {
  return StreamBuilder().be8(5).counted(name).be32(1).text(filled(length)).as_text();
}

std::vector<Section> sound_pc() {
  return {{"timer", 0, 2, filled(24)},
          {"cpu_common", 0, 1, filled(8)},
          {"cpu", 0, 12, filled(1817) + subsection("cpu/poll_control_msr", 8)},
          {"kvm-tpr-opt", 0, 1, filled(144)},
          {"apic", 0, 3, filled(181)},
          {"0000:00:00.0/I440FX", 0, 3, filled(277)},
          {"PCIBUS", 0, 1, be32(4) + filled(16)},
          {"fw_cfg", 0, 2, filled(6) + subsection("fw_cfg/dma", 8)},
          {"dma", 0, 1, filled(75)},
          {"dma", 1, 1, filled(75)},
          {"novelty", 7, 99, filled(33)},
          {"fdc", 0, 2, filled(593)},
          {"port92", 0, 1, filled(1)}};
}

enum class Frame { Footers, Bare };

StreamChecks::Findings check_devices(const std::vector<Section>& devices, Frame frame,
                                     std::optional<QemuVersion> loader = {},
                                     std::string_view front = {}) {
  StreamBuilder stream(frame == Frame::Footers);
  stream.header();
  if (frame == Frame::Footers) stream.configuration("pc-i440fx-10.0");
  stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 0x1000}}).eos().footer();
  stream.end(2).page("pc.ram", 0, 0x5a).eos().footer();
  uint32_t id = 3;
  for (const Section& device : devices) {
    if (device.idstr == "dma" && device.instance == 0) stream.text(front);
    size_t head = stream.size();
    stream.full(id++, device.idstr, device.instance, device.version).text(device.body).footer();
    stream.bytes()[head] = std::byte{device.type};
  }
  stream.eof();
  StreamChecks checks(loader);
  auto source = make_memory_source(stream.bytes());
  auto scan = scan_stream(*source, checks);
  return checks.finish(scan);
}

std::vector<Section> with(size_t number, Section device) {
  auto devices = sound_pc();
  devices[number] = std::move(device);
  return devices;
}

bool is_told(const ProblemLog& log, std::string_view words) {
  return std::ranges::any_of(log.kept(), [&](const Problem& problem) {
    return problem.message.find(words) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("nothing is said of a sound PC without a description", "[analysis]") {
  auto frame = GENERATE(Frame::Footers, Frame::Bare);
  auto found = check_devices(sound_pc(), frame);
  CHECK(found.problems.empty());
  CHECK(found.verdict.verdict == Verdict::Loads);
  // What is left out cannot be told.
  for (size_t left_out = 0; left_out < sound_pc().size(); ++left_out) {
    auto devices = sound_pc();
    devices.erase(devices.begin() + static_cast<std::ptrdiff_t>(left_out));
    CHECK(check_devices(devices, frame).problems.empty());
  }
}

TEST_CASE("heads of known devices are what QEMU writes", "[analysis]") {
  struct Case {
    size_t number;
    Section device;
    std::string words;
  };
  auto frame = GENERATE(Frame::Footers, Frame::Bare);
  auto [number, device, words] = GENERATE(
      Case{3, {"kvm-tpr-opu", 0, 1, filled(144)}, "nearly 'kvm-tpr-opt'"},
      Case{8, {"dmi", 0, 1, filled(75)}, "nearly 'dma'"},
      Case{5, {"0000:00z00.0/I440FX", 0, 3, filled(277)}, "nearly 'I440FX'"},
      Case{3, {"kvm-tpr-opt", 0, 0, filled(144)}, "has version 0, QEMU writes 1"},
      Case{12, {"port92", 0, 3, filled(1)}, "has version 3, QEMU writes 1"},
      Case{4, {"apic", 0, 2, filled(181)}, "has version 2"},
      Case{2, {"cpu", 0, 11, filled(1817) + subsection("cpu/tsc_khz", 8)}, "has version 11"},
      Case{10, {"virtio-nev", 0, 11, filled(9)}, "nearly 'virtio-net'"},
      Case{0, {"timer", 4, 2, filled(24)}, "instance id 0x4, which no QEMU gives here"},
      Case{9, {"dma", 0x41, 1, filled(75)}, "instance id 0x41, which no QEMU gives here"},
      Case{5, {"0000:00:00.0/I440FX", 8, 3, filled(277)}, "instance id 0x8"},
      Case{2, {"cpu", 4, 12, filled(1817)}, "but there is no 'cpu_common' of it"},
      Case{10, {"novelty", 0x72000000, 1, filled(9)}, "instance id 0x72000000"},
      Case{6, {"PCIBUS", 0, 1, be32(0x4004) + filled(16)}, "gives the number 16388"});
  auto found = check_devices(with(number, device), frame);
  INFO(words);
  CHECK(is_told(found.problems, words));
  CHECK(found.verdict.verdict == Verdict::Refused);
}

TEST_CASE("a version that QEMU reads as its own is damage, and loads", "[analysis]") {
  auto found = check_devices(with(10, {"serial", 0, 2, filled(11)}), Frame::Footers);
  CHECK(is_told(found.problems, "has version 2, QEMU writes 3"));
  CHECK(found.verdict.verdict == Verdict::Loads);
}

TEST_CASE("bodies of known devices have their length", "[analysis]") {
  auto frame = GENERATE(Frame::Footers, Frame::Bare);
  auto found = [&](size_t number, Section device) {
    return check_devices(with(number, device), frame);
  };
  auto is_refused = [&](size_t number, Section device, std::string_view words) {
    auto findings = found(number, device);
    return is_told(findings.problems, words) && findings.verdict.verdict == Verdict::Refused;
  };
  CHECK(is_refused(8, {"dma", 0, 1, filled(74)}, "has 74 bytes, QEMU wants 75"));
  CHECK(is_refused(8, {"dma", 0, 1, filled(76)}, "goes on for 1 bytes behind its end"));
  CHECK(is_refused(7, {"fw_cfg", 0, 2, filled(6) + subsection("fw_cfg/dma", 9)}, "goes on for 1"));
  CHECK(is_refused(11, {"fdc", 0, 2, filled(595)}, "goes on for 2 bytes behind its end"));
  CHECK(is_refused(11, {"fdc", 0, 2, filled(540)}, "has 540 bytes, which are too few"));
  // Subsections may be new ones.
  CHECK(found(8, {"dma", 0, 1, filled(75) + subsection("dma/new", 3)}).problems.empty());
  CHECK(found(2, {"cpu", 0, 12, filled(1313)}).problems.empty());
}

TEST_CASE("versions that a later release may have are no damage", "[analysis]") {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-13.0");
  uint32_t id = 1;
  for (const Section& device : with(12, {"port92", 0, 3, filled(7)})) {
    stream.full(id++, device.idstr, device.instance, device.version).text(device.body).footer();
  }
  StreamChecks checks;
  auto source = make_memory_source(stream.eof().bytes());
  auto scan = scan_stream(*source, checks);
  CHECK(checks.finish(scan).problems.empty());
}

TEST_CASE("what stands between devices without footers is told", "[analysis]") {
  auto found = [](std::string_view front) {
    return check_devices(sound_pc(), Frame::Bare, {}, front);
  };
  auto end = found(std::string_view("\0", 1));
  CHECK(is_told(end.problems, "goes on for 1 bytes behind its end"));
  CHECK(end.verdict.verdict == Verdict::Loads);
  auto unknown = found(std::string_view("\x08\x00\x7f\x00\x00", 5));
  CHECK(is_told(unknown.problems, "goes on for 5 bytes behind its end"));
  CHECK(unknown.verdict.verdict == Verdict::Refused);
  auto ping = found(std::string_view("\x08\x00\x02\x00\x04\x00\x00\x00\x00", 9));
  CHECK(is_told(ping.problems, "PING stands before OPEN_RETURN_PATH"));
  auto again = StreamBuilder(false).end(2).eos().as_text();
  auto ram = found(again);
  CHECK(is_told(ram.problems, "'ram' (id 2) goes on behind the devices"));
  CHECK(ram.verdict.verdict == Verdict::Loads);
}

TEST_CASE("zeros behind the end of a stream without footers are no damage", "[analysis]") {
  auto count = GENERATE(size_t{1}, size_t{512}, size_t{70000});
  StreamBuilder stream(false);
  stream.header();
  uint32_t id = 3;
  for (const Section& device : sound_pc()) {
    stream.full(id++, device.idstr, device.instance, device.version).text(device.body);
  }
  stream.eof().repeat(count, 0);
  StreamChecks checks;
  auto source = make_memory_source(stream.bytes());
  auto scan = scan_stream(*source, checks);
  CHECK(checks.finish(scan).problems.empty());
}

TEST_CASE("memory tells a PC of which hardly a device has come", "[analysis]") {
  auto problems = [](std::string_view block) {
    StreamBuilder stream(false);
    stream.header().start(2, "ram", 4).ram_blocks({{std::string(block), 0x1000}}).eos();
    stream.end(2).eos().full(3, "cpu_common").text(filled(7)).eof();
    StreamChecks checks;
    auto source = make_memory_source(stream.bytes());
    auto scan = scan_stream(*source, checks);
    return checks.finish(scan).problems.total();
  };
  CHECK(problems("ram0") == 0);
  CHECK(problems("pc.bios") == 1);
}

TEST_CASE("a head that is damaged without footers is found in the body before", "[analysis]") {
  auto verdict = [](uint8_t type) {
    auto devices = with(12, {"port92", 0, 1, filled(1), type});
    auto found = check_devices(devices, Frame::Bare);
    CHECK_FALSE(found.problems.empty());
    return found.verdict.verdict;
  };
  auto version = check_devices(with(12, {"port92", 0, 0x2000001, filled(1)}), Frame::Bare);
  CHECK(is_told(version.problems, "section 'fdc' (id 14) holds the head of 'port92'"));
  CHECK(verdict(5) == Verdict::Refused);
  CHECK(verdict(0) == Verdict::Loads);
}

TEST_CASE("a machine type before 2.4 is none of QEMU 9.1 and later", "[analysis]") {
  CHECK(check_devices(sound_pc(), Frame::Bare, QemuVersion{7, 2}).verdict.verdict ==
        Verdict::Loads);
  auto found = check_devices(sound_pc(), Frame::Bare, QemuVersion{10, 0});
  CHECK(is_told(found.conditions, "of a machine type before 2.4"));
  CHECK(found.verdict.verdict == Verdict::Refused);
  auto newer = sound_pc();
  newer.push_back({"globalstate", 0, 1, filled(104)});
  CHECK(check_devices(newer, Frame::Bare, QemuVersion{10, 0}).conditions.empty());
}
