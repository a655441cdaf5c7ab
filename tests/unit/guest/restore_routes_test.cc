// SPDX-License-Identifier: MIT
// What a restore hands on, and when: every kind of record in every mode.
#include "support/catch.h"
#include "support/every.h"
#include "support/fake_qemu.h"
#include "unit/guest/handed_stream.h"

using namespace vmstream;
using namespace testing;

TEST_CASE("streams of every kind, cut anywhere, do no harm before their end", "[guard]") {
  auto early = opening();
  early.device(7, "0000:00:05.0/virtio-mem-device-early", early_body());
  ram_start(early);
  ram_end(early);
  ending(early);
  auto mode = GENERATE(from_range(std::begin(kStrictModes), std::end(kStrictModes)));
  for (auto stream : {testing::postcopy_stream(), early, testing::small_stream()}) {
    for (size_t length = 0; length <= stream.size(); ++length) {
      auto cut = std::span(stream.bytes()).first(length);
      Handed handed = guard(cut, {.hold_back = mode}, 512);
      CAPTURE(length);
      REQUIRE(testing::harm_of(handed.early, mode == HoldBack::AllButMemory) == "");
      if (!handed.status) {
        REQUIRE(handed.decisions == 0);
        REQUIRE(handed.all.size() == handed.early.size());
      }
    }
  }
}

TEST_CASE("a stream cut anywhere never shows its end or a start of the guest", "[guard]") {
  auto stream = testing::postcopy_stream();
  for (size_t length = 0; length < stream.size(); length += testing::every()) {
    Handed handed = guard(std::span(stream.bytes()).first(length), {.hold_back = HoldBack::End});
    CAPTURE(length);
    REQUIRE_FALSE(handed.status);
    REQUIRE(handed.decisions == 0);
    for (auto word : {"POSTCOPY_RUN", "POSTCOPY_LISTEN", "PACKAGED", "eof"}) {
      REQUIRE_FALSE(handed.has(word));
    }
  }
}

TEST_CASE("the pieces that a stream comes in change nothing of what is handed on", "[guard]") {
  auto stream = testing::postcopy_stream();
  for (HoldBack mode : kModes) {
    Handed whole = guard(stream.bytes(), {.hold_back = mode}, stream.size());
    INFO((whole.status ? "" : whole.status.error().message));
    REQUIRE(whole.status);
    for (size_t piece : {size_t{1}, size_t{7}, size_t{4096}}) {
      CHECK((guard(stream.bytes(), {.hold_back = mode}, piece).all == whole.all));
    }
  }
}

TEST_CASE("memory goes first and all else follows in its order", "[guard]") {
  auto add = [](StreamBuilder& stream) {
    stream.start(1, "dirty-bitmap").be8(1).footer().command(kSwitchover);
    stream.end(1).be8(1).footer();
  };
  Bytes bytes = stream_with(add);
  auto wanted = opening();
  ram_start(wanted);
  ram_end(wanted);
  size_t memory = wanted.size();
  add(wanted);
  ending(wanted);
  for (HoldBack mode : kStrictModes) {
    Handed handed = guard(bytes, {.hold_back = mode});
    REQUIRE(handed.status);
    CHECK((handed.all == wanted.bytes()));
    CHECK(handed.early.size() == memory);
    CHECK(handed.decided == memory);
    CHECK(handed.decisions == 1);
    CHECK_FALSE(handed.rebuilt);
  }
  Handed in_order = guard(bytes, {.hold_back = HoldBack::End});
  CHECK((in_order.all == bytes));
  CHECK(in_order.decided == bytes.size() - 1);
}

TEST_CASE("a usual stream of a newer QEMU is handed on as it is", "[guard]") {
  auto stream = opening();
  stream.command(kOpenReturnPath).command(kPing, be(1, 4));
  ram_start(stream).command(kSwitchover);
  ram_end(stream);
  size_t memory = stream.size();
  ending(stream);
  Handed handed = guard(stream.bytes(), {.hold_back = HoldBack::AllButMemory});
  REQUIRE(handed.status);
  CHECK((handed.all == stream.bytes()));
  CHECK(handed.early.size() == memory);
  Handed unsigned_yet = guard(stream.bytes(), {.hold_back = HoldBack::AllUnsigned});
  REQUIRE(unsigned_yet.status);
  CHECK(unsigned_yet.all.size() == stream.size());
  CHECK_FALSE(unsigned_yet.has("SWITCHOVER", true));
}

TEST_CASE("each iterable section waits, and memory overtakes those that are known", "[guard]") {
  struct Case {
    std::string idstr;
    std::string body;
    bool overtaken;
  };
  auto name = GENERATE(values<Case>({
      {"dirty-bitmap", be(1, 1), true},
      {"spapr/htab", be(24, 4), true},
      {"s390-storage_attributes", be(1, 8), true},
      {"pbs-state", be(0, 8), true},
      {"0000:00:06.0/vfio", be(0xffffffffef100001, 8), true},
      {"block", be(2, 8), true},
      {"something/else", "unheard of", false},
      {"/vfio2", "abc", false},
      {"rams", "abc", false},
  }));
  Bytes bytes = stream_with(
      [&](StreamBuilder& stream) { stream.start(1, name.idstr).text(name.body).footer(); });
  CAPTURE(name.idstr);
  for (HoldBack mode : kStrictModes) {
    Handed handed = guard(bytes, {.hold_back = mode});
    REQUIRE(handed.status);
    CHECK(testing::harm_of(handed.early, false) == "");
    CHECK(handed.has("page", true) == name.overtaken);
    CHECK((handed.all == bytes) == !name.overtaken);
    CHECK(handed.all.size() == bytes.size());
  }
  CHECK((guard(bytes, {.hold_back = HoldBack::End}).all == bytes));
}

TEST_CASE("early device state passes where its form is QEMU's", "[guard]") {
  auto body =
      GENERATE(as<std::string>(), early_body(), early_body(2), early_body(0), std::string());
  bool fits = body == early_body();
  Bytes bytes = stream_with([&](StreamBuilder& stream) {
    stream.device(7, "0000:00:05.0/virtio-mem-device-early", body);
  });
  Handed handed = guard(bytes, {.hold_back = HoldBack::AllButMemory});
  REQUIRE(handed.status);
  CHECK((handed.all == bytes));
  CHECK(handed.has("virtio-mem-device-early", true) == fits);
  CHECK(handed.has("page", true) == fits);
  CHECK(testing::harm_of(handed.early, true) == "");

  Handed refused = guard(bytes, {.hold_back = HoldBack::AllUnsigned});
  REQUIRE_FALSE(refused.status);
  CHECK(refused.status.error().code == Errc::Refused);
  CHECK_FALSE(refused.status.error().hint.empty());
  CHECK_FALSE(refused.has("page"));
}

TEST_CASE("memory waits where the size of QEMU's pages is not certain", "[guard]") {
  struct Case {
    std::string machine;  // empty: no configuration
    std::optional<uint32_t> bits;
    std::string target;
    bool certain;
    std::string block = "ram";
  };
  auto the = GENERATE(values<Case>({
      {"pc-i440fx-7.2", {}, "", true},
      {"pc-q35-10.0", {}, "x86_64", true},
      {"virt-7.2", {}, "", false},
      {"virt-7.2", 12, "", true},
      {"virt-7.2", 12, "aarch64", true},
      {"virt-7.2", {}, "riscv64", true},
      {"virt-7.2", {}, "loongarch64", false},
      {"none", {}, "", false},
      {"none", {}, "x86_64", true},
      {"", {}, "", false},
      {"", {}, "x86_64", true},
      {"", {}, "aarch64", false},
      {"", {}, "", false, "pc.ram"},
      {"virt-7.2", {}, "", true, "riscv_virt_board.ram"},
      {"", {}, "aarch64", false, "pc.ram"},
  }));
  StreamBuilder stream;
  stream.header();
  if (!the.machine.empty()) stream.configuration(the.machine);
  if (the.bits) stream.page_bits(*the.bits);
  stream.start(2, "ram", 4).ram_blocks({{the.block, 0x8000}}).eos().footer();
  stream.end(2).page(the.block, 0, 0x5a).eos().footer();
  ending(stream);
  CAPTURE(the.machine, the.target, the.block);
  std::optional<bool> ignores_shared;
  if (!the.target.empty()) ignores_shared = false;
  Handed handed = guard(stream.bytes(), {.target = the.target, .ignores_shared = ignores_shared});
  REQUIRE(handed.status);
  CHECK((handed.all == stream.bytes()));
  CHECK(handed.has("page", true) == the.certain);
}

TEST_CASE("disks are written with leave only, and after the point of no return", "[guard]") {
  size_t before = 0;
  Bytes bytes = stream_with([&](StreamBuilder& stream) {
    stream.start(3, "block").be64(2).footer();
    stream.part(3).be64(10 << 9 | 4);
    before = stream.size();
    stream.be64(1).counted("d0").repeat(1 << 20, 7).be64(2).footer();
  });
  for (HoldBack mode : kModes) {
    Handed refused = guard(bytes, {.hold_back = mode}, 100'000);
    REQUIRE_FALSE(refused.status);
    CHECK(refused.status.error().code == Errc::Refused);
    CHECK(refused.status.error().offset == before);
    CHECK(refused.decisions == 0);

    Handed written = guard(bytes, {.hold_back = mode, .write_disks = true}, 100'000);
    REQUIRE(written.status);
    CHECK(written.decisions == 1);
    CHECK(written.all.size() == bytes.size());
    if (mode == HoldBack::End) CHECK(written.decided == before);
    if (mode != HoldBack::End) CHECK(testing::harm_of(written.early, true) == "");
  }
}

TEST_CASE("what waits is bounded", "[guard]") {
  auto stream = opening();
  ram_start(stream);
  stream.start(3, "0000:00:06.0/vfio").be64(0xffffffffef100003).be64(0xffffffffef100001).footer();
  constexpr size_t kChunk = 16 << 20;
  auto chunk = StreamBuilder().part(3).be64(0xffffffffef100004).be64(kChunk);
  chunk.repeat(kChunk, 1).be64(0xffffffffef100001).footer();
  Bytes passed;
  auto sink = make_memory_sink(passed);
  auto mode = GENERATE(HoldBack::End, HoldBack::AllButMemory);
  StreamGuard guard(*sink, {.hold_back = mode});
  REQUIRE(guard.feed(stream.bytes()));
  for (int chunks = 0; chunks < 15; ++chunks) REQUIRE(guard.feed(chunk.bytes()));
  passed.clear();
  Status last = guard.feed(chunk.bytes());
  REQUIRE(bool(last) == (mode == HoldBack::End));
  if (last) return;
  CHECK(last.error().code == Errc::Unsupported);
  CHECK_THAT(last.error().hint, Catch::Contains("--verify-first"));
  CHECK(passed.empty());
}

TEST_CASE("streams of releases before 0.10 wait as a whole", "[guard]") {
  StreamBuilder body;
  body.counted("timer").be32(0).be32(2).be32(4).text("abcd");
  auto stream = StreamBuilder().header(2).be64(body.size()).text(body.as_text());
  for (HoldBack mode : kModes) {
    Handed handed = guard(stream.bytes(), {.hold_back = mode});
    REQUIRE(handed.status);
    CHECK((handed.all == stream.bytes()));
    CHECK(handed.decisions == 1);
    CHECK(*handed.decided <= 16);
    if (mode != HoldBack::End) CHECK(handed.early.size() <= 16);
  }
}
