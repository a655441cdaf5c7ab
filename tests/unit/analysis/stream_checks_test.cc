// SPDX-License-Identifier: MIT
#include "analysis/scan/stream_checks.h"

#include <algorithm>
#include <string>

#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;
using testing::StreamBuilder;

namespace {

StreamChecks::Findings check(StreamBuilder& stream, std::optional<QemuVersion> loader = {}) {
  StreamChecks checks(loader);
  auto source = make_memory_source(stream.bytes());
  auto scan = scan_stream(*source, checks);
  return checks.finish(scan);
}

// What a stream of one page and one device is, but for what `change` adds in front of the devices.
template <typename Change>
StreamChecks::Findings check_with(Change change, std::optional<QemuVersion> loader = {}) {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-7.2").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", 0x1000}}).eos().footer();
  stream.part(2).page("pc.ram", 0, 1).eos().footer().end(2).eos().footer();
  change(stream);
  stream.device(3, "timer", "abcd").eof().vmdesc(testing::make_vmdesc({{"timer", 4}}));
  return check(stream, loader);
}

bool tells(const ProblemLog& log, std::string_view words) {
  return std::ranges::any_of(log.kept(), [&](const Problem& problem) {
    return problem.message.find(words) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("a sound stream loads, and nothing is said of it", "[analysis]") {
  auto found = check_with([](StreamBuilder&) {});
  CHECK(found.problems.empty());
  CHECK(found.conditions.empty());
  CHECK(found.verdict.verdict == Verdict::Loads);
  CHECK_FALSE(found.verdict.because);
}

TEST_CASE("commands are known, of the right length and in order", "[analysis]") {
  struct Case {
    uint16_t command;
    size_t bytes;
    std::string words;
  };
  auto [command, bytes, words] = GENERATE(
      Case{0, 0, "command 0x0 is not known"}, Case{99, 0, "command 0x63 is not known"},
      Case{1, 2, "OPEN_RETURN_PATH has 2 bytes, wanted 0"},
      Case{2, 4, "PING stands before OPEN_RETURN_PATH"},
      Case{3, 8, "POSTCOPY_ADVISE has 8 bytes, wanted 16"},
      Case{4, 0, "POSTCOPY_LISTEN is out of order"}, Case{5, 0, "POSTCOPY_RUN is out of order"},
      Case{3, 16, "POSTCOPY_ADVISE tells of target pages of 0x0 bytes"},
      Case{6, 19, "POSTCOPY_RAM_DISCARD has 19 bytes, wanted 20"},
      Case{6, 20, "POSTCOPY_RAM_DISCARD stands before"});
  auto found = check_with([&, command = command, bytes = bytes](StreamBuilder& stream) {
    stream.command(command, std::string(bytes, '\0'));
  });
  CHECK(tells(found.problems, words));
  CHECK(found.verdict.verdict == Verdict::Refused);
}

TEST_CASE("a command may want what a file has not", "[analysis]") {
  auto verdict = [](uint16_t command, std::optional<QemuVersion> loader = {}) {
    auto found = check_with([&](StreamBuilder& stream) { stream.command(command); }, loader);
    CHECK(found.problems.empty());
    return found.verdict.verdict;
  };
  CHECK(verdict(1) == Verdict::Depends);  // OPEN_RETURN_PATH
  CHECK(verdict(8) == Verdict::Refused);  // ENABLE_COLO
  CHECK(verdict(11) == Verdict::Loads);   // SWITCHOVER_START
  CHECK(verdict(11, QemuVersion{7, 2}) == Verdict::Refused);
  CHECK(verdict(11, QemuVersion{10, 0}) == Verdict::Loads);
}

TEST_CASE("names one letter off are damage, others may be new", "[analysis]") {
  auto effect = [](std::string_view machine, const std::string& capability,
                   std::string_view idstr) {
    StreamBuilder stream;
    stream.header().configuration(machine).capabilities({capability});
    stream.start(2, idstr).footer().eof();
    return check(stream).verdict.verdict;
  };
  CHECK(effect("pc-q35-7.2", "x-ignore-shared", "novelty") == Verdict::Loads);
  CHECK(effect("raspi9", "x-ignore-shared", "novelty") == Verdict::Loads);
  CHECK(effect("pc-q45-7.2", "x-ignore-shared", "novelty") == Verdict::Refused);
  CHECK(effect("pc-q35-7.6", "x-ignore-shared", "novelty") == Verdict::Refused);
  CHECK(effect("pc-q35-11.6", "x-ignore-shared", "novelty") == Verdict::Loads);
  CHECK(effect("pc-q35-7n2", "x-ignore-shared", "novelty") == Verdict::Refused);
  CHECK(effect("pc-q35-7.2+pve0", "x-ignore-shared", "novelty") == Verdict::Loads);
  CHECK(effect("pc-q35-rhel8.6.0", "x-ignore-shared", "novelty") == Verdict::Loads);
  CHECK(effect("pc-i440fx-2.11-sata", "x-ignore-shared", "novelty") == Verdict::Loads);
  CHECK(effect("pc q35", "x-ignore-shared", "novelty") == Verdict::Refused);
  CHECK(effect("pc-q35-7.2", "x-ignore-shaped", "novelty") == Verdict::Refused);
  CHECK(effect("pc-q35-7.2", "x-ignore-shared", "dirty-bitmaq") == Verdict::Refused);
}

TEST_CASE("a RAM block whose name is a bit off is damage", "[analysis]") {
  auto verdict = [](const std::string& block) {
    StreamBuilder stream;
    stream.header().configuration("pc-q35-7.2").start(2, "ram", 4);
    stream.ram_blocks({{block, 0x1000}}).eos().footer().end(2);
    stream.page(block, 0, 0x5a).eos().footer();
    return check(stream.eof()).verdict.verdict;
  };
  CHECK(verdict("pc.ram") == Verdict::Loads);
  CHECK(verdict("pc.rom") == Verdict::Loads);
  CHECK(verdict("pc.new") == Verdict::Loads);
  CHECK(verdict("p#.ram") == Verdict::Refused);
}

TEST_CASE("sections in parts have versions that QEMU knows", "[analysis]") {
  auto verdict = [](std::string_view idstr, uint32_t version) {
    StreamBuilder stream;
    stream.header().configuration("pc-q35-7.2").start(2, idstr, version);
    if (idstr == "block") stream.be64(2);
    if (idstr == "dirty-bitmap") stream.be8(1);
    auto found = check(stream.footer().eof());
    CHECK(found.problems.empty() == (version == 1));
    return found.verdict.verdict;
  };
  for (std::string_view idstr : {"block", "dirty-bitmap"}) {
    CHECK(verdict(idstr, 1) == Verdict::Loads);
    CHECK(verdict(idstr, 0) == Verdict::Loads);
    CHECK(verdict(idstr, 2) == Verdict::Refused);
  }
}

TEST_CASE("flags of a bitmap that no QEMU writes together stop no load", "[analysis]") {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-7.2").start(2, "dirty-bitmap").be8(0x21).footer();
  auto found = check(stream.eof());
  CHECK_FALSE(found.problems.empty());
  CHECK(found.verdict.verdict == Verdict::Loads);
}

TEST_CASE("the version of slirp is libslirp's, within reason", "[analysis]") {
  auto verdict = [](uint32_t version) {
    return check_with([&](StreamBuilder& stream) {
             stream.full(4, "slirp", 0, version).text("x").footer();
           })
        .verdict.verdict;
  };
  CHECK(verdict(4) == verdict(5));
  auto found =
      check_with([](StreamBuilder& stream) { stream.full(4, "slirp", 0, 260).text("x").footer(); });
  CHECK(tells(found.problems, "section 'slirp' (id 4) has version 260, which no libslirp has"));
}

TEST_CASE("of a version of a subsection QEMU looks at the low byte", "[analysis]") {
  auto found = [](size_t byte, uint8_t value) {
    StreamBuilder stream;
    stream.header().configuration("virt-7.2").page_bits(12);
    stream.bytes()[stream.size() - 8 + byte] = std::byte{value};
    return check(stream.eof());
  };
  CHECK(found(3, 1).problems.empty());
  auto high = found(0, 0x20);
  CHECK(tells(high.problems, "a subsection of the configuration has version 0x20000001, wanted 1"));
  CHECK(high.verdict.verdict == Verdict::Loads);
  CHECK(found(3, 2).verdict.verdict == Verdict::Refused);
}

TEST_CASE("a machine without a version is another one in each release", "[analysis]") {
  auto verdict = [](bool is_new, QemuVersion loader) {
    std::string json = testing::make_vmdesc({{"timer", 4}});
    if (is_new) json.insert(1, "\"configuration\": {}, ");
    StreamBuilder stream;
    stream.header().configuration("microvm").device(3, "timer", "abcd").eof().vmdesc(json);
    return check(stream, loader).verdict.verdict;
  };
  CHECK(verdict(false, {7, 2}) == Verdict::Loads);
  CHECK(verdict(false, {10, 0}) == Verdict::Depends);
  CHECK(verdict(true, {10, 0}) == Verdict::Loads);
  CHECK(verdict(true, {7, 2}) == Verdict::Depends);
}

TEST_CASE("a device without a footer may come again with its id", "[analysis]") {
  StreamBuilder stream(false);
  stream.header().configuration("pc-q35-7.2").device(3, "timer", "abcd");
  stream.device(4, "novelty", "ef").device(3, "timer", "abcd").eof();
  auto found = check(stream.vmdesc(testing::make_vmdesc({{"timer", 4}, {"novelty", 2}})));
  CHECK(tells(found.problems, "'timer' instance 0 comes more often"));
  CHECK(found.verdict.verdict == Verdict::Loads);
}

TEST_CASE("an end mark behind the first of sections without footers is too early", "[analysis]") {
  StreamBuilder stream(false);
  stream.header().configuration("pc-q35-7.2").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", 0x1000}}).eos().be8(0).end(2).eos();
  auto found =
      check(stream.device(3, "timer", "abcd").eof().vmdesc(testing::make_vmdesc({{"timer", 4}})));
  CHECK(tells(found.problems, "the end mark stands here, but the stream goes on"));
  CHECK(found.verdict.verdict == Verdict::Loads);
}

TEST_CASE("a stream does not end in front of all sections", "[analysis]") {
  auto found = [](std::string_view behind) {
    StreamBuilder stream;
    return check(stream.header().configuration("pc-q35-7.2").eof().text(behind));
  };
  CHECK(found(std::string(99, '\0')).problems.empty());
  auto damaged = found("noise");
  CHECK(tells(damaged.problems, "the end mark stands here, in front of all sections"));
  CHECK(damaged.verdict.verdict == Verdict::Loads);
}

TEST_CASE("an order that no sender writes is damage that QEMU does not mind", "[analysis]") {
  SECTION("RAM behind the devices") {
    auto found = check_with(
        [](StreamBuilder& stream) { stream.device(4, "dma", "ab").part(2).eos().footer(); });
    CHECK(tells(found.problems, "'ram' (id 2) goes on behind the devices"));
    CHECK(found.problems.first(LoadEffect::Ignored));
  }
  SECTION("RAM started twice") {
    auto found = check_with([](StreamBuilder& stream) {
      stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 0x1000}}).eos().footer();
    });
    CHECK(tells(found.problems, "'ram' (id 2) is started twice"));
    CHECK(found.verdict.verdict == Verdict::Loads);
  }
  SECTION("a device that comes twice, or that only the description has") {
    auto twice = check_with([](StreamBuilder& stream) { stream.device(9, "timer", "abcd"); });
    CHECK(tells(twice.problems, "'timer' instance 0 comes more often than vmdesc describes it"));
    CHECK(twice.verdict.verdict == Verdict::Loads);
    StreamBuilder stream;
    stream.header().configuration("pc").eof().vmdesc(testing::make_vmdesc({{"timer", 4}}));
    auto none = check(stream);
    CHECK(tells(none.problems, "vmdesc describes 'timer' instance 0, which is not in the stream"));
    CHECK(none.verdict.verdict == Verdict::Loads);
  }
}

TEST_CASE("which release loads a zero page with a value decides the rest of the stream",
          "[analysis]") {
  auto verdict = [](std::string_view machine, bool switches, std::optional<QemuVersion> loader) {
    StreamBuilder stream;
    stream.header().configuration(machine).start(2, "ram", 4);
    stream.ram_blocks({{"pc.ram", 0x1000}}).eos().footer();
    stream.part(2).fill_page("pc.ram", 0, 7).eos().footer();
    if (switches) stream.command(11);
    auto found = check(stream.end(2).eos().footer().eof(), loader);
    CHECK(found.problems.total() == 1);
    return found.verdict.verdict;
  };
  CHECK(verdict("pc-q35-7.2", false, {}) == Verdict::Depends);
  CHECK(verdict("pc-q35-7.2", false, QemuVersion{8, 2}) == Verdict::Loads);
  CHECK(verdict("pc-q35-7.2", false, QemuVersion{9, 0}) == Verdict::Refused);
  CHECK(verdict("pc-q35-9.0", false, {}) == Verdict::Refused);
  CHECK(verdict("pc-q35-7.2", true, {}) == Verdict::Refused);
}

TEST_CASE("a stream without its memory depends on other connections", "[analysis]") {
  auto verdict = [](int pages) {
    StreamBuilder stream;
    stream.header().configuration("pc-q35-7.2");
    stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 0x2000}}).eos().footer().end(2);
    for (int i = 0; i < pages; ++i) stream.fill_page(i == 0 ? "pc.ram" : "", i * 0x1000ull);
    return check(stream.eos().footer().eof()).verdict.verdict;
  };
  CHECK(verdict(0) == Verdict::Depends);
  CHECK(verdict(1) == Verdict::Depends);
  CHECK(verdict(2) == Verdict::Loads);
}

TEST_CASE("memory without its END is missed if pages are", "[analysis]") {
  auto verify = [](int pages, const std::string& device, bool has_end) {
    StreamBuilder stream;
    stream.header().configuration("pc-q35-7.2");
    stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 0x2000}}).eos().footer().part(2);
    for (int i = 0; i < pages; ++i) stream.page(i == 0 ? "pc.ram" : "", i * 0x1000ull, 0x5a);
    stream.eos().footer();
    if (has_end) stream.end(2).eos().footer();
    return check(stream.device(3, device, "abcd").eof());
  };
  auto found = verify(1, "timer", false);
  CHECK(tells(found.problems, "'ram' has no END, and at least 4096 bytes of memory have not come"));
  CHECK(found.verdict.verdict == Verdict::Loads);
  CHECK(verify(2, "novelty", false).problems.empty());  // as of a background snapshot
  CHECK(verify(1, "novelty", true).problems.empty());
  CHECK(verify(1, "0000:00:03.0/virtio-mem", false).problems.empty());
}

TEST_CASE("a bit in the name that a section or its description has tells which is hurt",
          "[analysis]") {
  auto verdict = [](const std::string& name, uint32_t instance, const std::string& described,
                    const std::string& vmsd) {
    StreamBuilder stream;
    stream.header().configuration("microvm").start(2, "ram", 4);
    stream.ram_blocks({{"pc.ram", 0x1000}}).eos().footer().end(2).page("pc.ram", 0, 0x5a);
    stream.eos().footer().full(3, name, instance, 2).text(std::string(24, 'x')).footer();
    std::string json = testing::make_vmdesc({{described, 24}});
    std::string front = "\"instance_id\"";
    json.insert(json.find(front), "\"vmsd_name\": \"" + vmsd + "\", \"version\": 2, ");
    return check(stream.eof().vmdesc(json)).verdict.verdict;
  };
  std::string path = "0000:00:03.0/";
  CHECK(verdict("novelty", 0, "noveltx", "novelty") == Verdict::Loads);
  CHECK(verdict("noveltx", 0, "novelty", "novelty") == Verdict::Refused);
  CHECK(verdict(path + "novelty", 0, "0000:0z:03.0/novelty", "novelty") == Verdict::Loads);
  CHECK(verdict("0000:0z:03.0/novelty", 0, path + "novelty", "novelty") == Verdict::Refused);
  CHECK(verdict(path + "novelty", 0, "0000:00:07.0/novelty", "novelty") == Verdict::Refused);
}

TEST_CASE("a description that has a flaw is the one that is hurt", "[analysis]") {
  auto verdict = [](const std::string& from, const std::string& to) {
    StreamBuilder stream;
    stream.header().configuration("microvm").start(2, "ram", 4);
    stream.ram_blocks({{"pc.ram", 0x1000}}).eos().footer().end(2).page("pc.ram", 0, 0x5a);
    stream.eos().footer().full(3, "novelty", 0, 2).text("abcdabcd").footer();
    std::string json =
        R"({"page_size": 4096, "devices": [{"name": "novelty", "instance_id": 0, "vmsd_name": )"
        R"("novelty", "version": 2, "fields": [{"name": "s", "type": "struct", "struct": )"
        R"({"vmsd_name": "in", "version": 1, "fields": [{"name": "a", "array_len": 2, "type": )"
        R"("uint32", "size": 4}]}, "size": 8}]}]})";
    json.replace(json.find(from), from.size(), to);
    auto found = check(stream.eof().vmdesc(json));
    CHECK(found.problems.damage() == (from == to ? 0 : found.problems.total()));
    CHECK((from == to || found.problems.damage() > 0));
    return found.verdict.verdict;
  };
  CHECK(verdict("page_size", "page_size") == Verdict::Loads);
  for (auto [from, to] : {std::pair("\"devices", "\"devicer"),
                          {"\"fields", "\"fiemds"},
                          {"\"version", "\"wersion"},
                          {"\"array_len", "\"arrax_len"},
                          {"\"struct\":", "\"strucu\":"},
                          {"\"size\": 4", "\"sizd\": 4"},
                          {"len\": 2", "len\": 3"},
                          {"\"uint32", "\"uint3r"},
                          {"\"instance_id", "\"instance_ie"}}) {
    INFO(to);
    CHECK(verdict(from, to) == Verdict::Loads);
  }
  CHECK(verdict("\"size\": 8", "\"size\": 9") == Verdict::Loads);
  CHECK(verdict("\"version\": 2", "\"version\": 1") == Verdict::Refused);
}

TEST_CASE("a known device that the description calls otherwise is loaded", "[analysis]") {
  auto verdict = [](const std::string& name, uint32_t instance, const std::string& described) {
    StreamBuilder stream;
    stream.header().configuration("pc-q35-7.2").start(2, "ram", 4);
    stream.ram_blocks({{"pc.ram", 0x1000}}).eos().footer().end(2).page("pc.ram", 0, 0x5a);
    stream.eos().footer().full(3, name, instance, 2).text(std::string(24, 'x')).footer();
    auto found = check(stream.eof().vmdesc(testing::make_vmdesc({{described, 24}})));
    CHECK(found.problems.damage() == 2);  // it is not described, and the other does not come
    return found.verdict.verdict;
  };
  CHECK(verdict("timer", 0, "timeR") == Verdict::Loads);
  CHECK(verdict("timeR", 0, "timer") == Verdict::Refused);
  CHECK(verdict("timer", 1, "timer") == Verdict::Refused);
  CHECK(verdict("0000:00:03.0/novelty", 0, "0000:00:03.0/noveltx") == Verdict::Refused);
}
