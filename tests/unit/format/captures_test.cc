// SPDX-License-Identifier: MIT
// The captures under tests/data: real streams with what is known of the guest.
#include <vmstream/parser.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support/capture_check.h"
#include "support/catch.h"
#include "support/event_log.h"
#include "support/temp_dir.h"
#include "support/zstd_file.h"

using namespace vmstream;
using namespace testing;

namespace {

const std::string kFolder = VMSTREAM_TEST_DATA;

Outcome parse_capture(const std::string& name) {
  auto file = load_file(kFolder + "/" + name + ".qevm");
  REQUIRE(file);
  return parse_all(*file);
}

}  // namespace

TEST_CASE("every capture is read to its last byte and agrees with the truth") {
  auto names = list_captures(kFolder);
  REQUIRE(names.size() >= 8);
  for (const auto& name : names) {
    INFO(name);
    CHECK(check_capture(kFolder, name) == std::vector<std::string>{});
  }
}

TEST_CASE("the check notices what is wrong with a capture") {
  TempDir folder;
  std::filesystem::copy(kFolder + "/x86-pc-7.2-min-m4.truth", folder / "copy.truth");
  auto file = load_file(kFolder + "/x86-pc-7.2-min-m4.qevm");
  REQUIRE(file);
  auto check = [&] {
    std::ofstream(folder / "copy.qevm", std::ios::binary)
        .write(reinterpret_cast<const char*>(file->data()),
               static_cast<std::streamsize>(file->size()));
    return check_capture(folder.path(), "copy");
  };
  CHECK(check().empty());
  CHECK_FALSE(check_capture(folder.path(), "no-such-capture").empty());
  SECTION("a byte of a page") {
    (*file)[100'000] ^= std::byte{1};
    REQUIRE(check().size() == 1);
    CHECK(check()[0].starts_with("block 'pc.ram' page"));
  }
  SECTION("a name") {
    auto wanted = std::as_bytes(std::span("globalstate", 11));
    auto name = std::search(file->begin(), file->end(), wanted.begin(), wanted.end());
    REQUIRE(name != file->end());
    *name ^= std::byte{1};
    CHECK(check().size() >= 2);
  }
  SECTION("the end") {
    file->pop_back();
    REQUIRE(check().size() == 1);
    CHECK(check()[0].find("vmdesc needs") != std::string::npos);
  }
}

TEST_CASE("QEMU 0.12: flat RAM, no footers, no vmdesc") {
  auto [log, status] = parse_capture("anc-0.12.5-min");
  REQUIRE(status);
  CHECK(log.has("blocks total 0x440000:"));
  CHECK(log.count("by next-header at") == 25);
  CHECK(log.has("page fill -"));
}

TEST_CASE("target pages of 256 bytes and of 8 KiB") {
  auto avr = parse_capture("avr-mega2560-7.2");
  REQUIRE(avr.status);
  CHECK(avr.log.has("page data flash"));
  auto alpha = parse_capture("alpha-clipper-5.2");
  REQUIRE(alpha.status);
  CHECK(alpha.log.has(" 8192 "));
}

TEST_CASE("a vmdesc that is wrong about one device is reported and got over") {
  auto [log, status] = parse_capture("s390x-ccw-7.2");
  REQUIRE(status);
  CHECK(log.count("problem at") == 1);
  CHECK(log.has("section 's390_css'"));
  CHECK(log.has("end of s390_css length"));
  CHECK(log.count("by vmdesc footer") == 12);
}

TEST_CASE("mapped-ram: pages by bitmap, the rest of the stream behind them") {
  auto [log, status] = parse_capture("x86-pc-10.0-mapped");
  REQUIRE(status);
  CHECK(log.count("blocks total") == 6);
  CHECK(log.count("page zero pc.ram") > 0);
  CHECK(log.count("page data pc.ram") > 0);
  CHECK(log.count("by vmdesc footer") == 30);
}

TEST_CASE("postcopy: discards, a package, pages after it, no vmdesc") {
  auto [log, status] = parse_capture("x86-pc-7.2-postcopy");
  REQUIRE(status);
  CHECK(log.has("command POSTCOPY_RAM_DISCARD"));
  CHECK(log.count("package end") == 1);
  CHECK(log.count("by footer footer") == 30);
  CHECK(log.count("vmdesc at") == 0);
}
