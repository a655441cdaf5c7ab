// SPDX-License-Identifier: MIT
// The source of a postcopy migration against a destination that keeps what it gets.
#include "guest/lazy/page_server.h"

#include <sys/ioctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "guest/lazy/postcopy_channel.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"
#include "unit/guest/fake_destination.h"
#include "unit/guest/scripted_monitor.h"

using namespace vmstream;
using namespace std::chrono_literals;
using testing::FakeDestination;
using testing::ScriptedMonitor;
using testing::StreamBuilder;

namespace {

constexpr size_t kPage = 4096;
constexpr uint64_t kPages = 1024;

uint8_t byte_of(uint64_t page) {
  return static_cast<uint8_t>(page % 3 == 0 ? 0 : 1 + page % 200);
}

// Every third page is zero; page 7 is sent once more, with another content.
StreamBuilder some_stream() {
  StreamBuilder stream;
  stream.header().configuration("pc-7.2").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", kPages * kPage}, {"pc.bios", 2 * kPage}}).eos().footer();
  stream.device(9, "early", "first").part(2).page("pc.ram", 7 * kPage, 0xee);
  stream.fill_page("pc.bios", kPage).eos().footer().part(2);
  for (uint64_t page = 0; page < kPages; ++page) {
    if (byte_of(page) == 0) {
      stream.fill_page("pc.ram", page * kPage);
    } else {
      stream.page("pc.ram", page * kPage, byte_of(page));
    }
  }
  stream.eos().footer().end(2).page("pc.bios", 0, 0xbb).eos().footer();
  return stream.device(3, "timer", "0123456789").device(5, "vga", "VGA").eof();
}

// The file, and all that serves it.
struct Fixture {
  explicit Fixture(StreamBuilder stream = some_stream()) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(stream.bytes().data()),
               static_cast<std::streamsize>(stream.size()));
    auto opened = LazyFile::open(std::move(*StateFile::open(path)));
    INFO((opened ? "" : opened.error().message));
    REQUIRE(opened);
    file.emplace(std::move(*opened));
    auto own = file->open_reader(LazyCache::kScattered);
    REQUIRE(own);
    reader.emplace(std::move(*own));
    ledger.emplace(blocks());
    for (const auto& range : order()) ledger->want(range);
  }

  const std::vector<ServedBlock>& blocks() {
    if (blocks_.empty()) blocks_ = *served_blocks(file->index(), {});
    return blocks_;
  }
  std::vector<UnitRange> order() { return units_in_file_order(*file->index().pages, blocks()); }

  Status open_stream(int socket) {
    auto sink = make_fd_sink(socket);
    return write_opening(*reader, file->index(), blocks(), *sink);
  }
  Status serve(int socket, PageServerOptions options = {}, bool push = true) {
    PostcopyChannel channel(socket);
    return serve(channel, std::move(options), push);
  }
  Status serve(PostcopyChannel& channel, PageServerOptions options, bool push = true) {
    auto ahead = PageReadahead::open(*file, blocks(), order(), 2);
    REQUIRE(ahead);
    options.limits.deadline = Clock::now() + 20s;
    PageServer server({channel, *reader, blocks(), *find_ram_section(file->index()), *ledger,
                       push ? ahead->get() : nullptr},
                      std::move(options));
    auto served = server.serve();
    counts = server.counts();
    asked = server.asked();
    return served;
  }

  // Destroys the framing of a page's record, behind the index's back.
  void damage(uint64_t page) {
    auto place = file->index().pages->find(0, page);
    REQUIRE(place);
    std::fstream patch(path, std::ios::in | std::ios::out | std::ios::binary);
    patch.seekp(static_cast<std::streamoff>(place->offset()) - 8);
    patch.write("\0\0\0\0\0\0\0\0", 8);
  }

  testing::TempDir folder;
  std::string path = folder / "guest";
  std::optional<LazyFile> file;
  std::optional<LazyReader> reader;
  std::optional<DeliveryLedger> ledger;
  LazyCounts counts;
  std::vector<UnitRange> asked;

 private:
  std::vector<ServedBlock> blocks_;
};

void check_memory(const FakeDestination& destination) {
  CHECK_FALSE(destination.sent_twice);
  for (uint64_t page = 0; page < kPages; ++page) {
    auto found = destination.pages.find({"pc.ram", page * kPage});
    bool wrong = found == destination.pages.end()
                     ? byte_of(page) != 0
                     : found->second != std::vector<std::byte>(kPage, std::byte{byte_of(page)});
    if (wrong) FAIL("page " << page);
  }
  REQUIRE(destination.pages.contains({"pc.bios", 0}));
  CHECK(destination.pages.at({"pc.bios", 0})[0] == std::byte{0xbb});
}

// The most memory that this process has had.
long peak_kib() {
  rusage usage{};
  REQUIRE(::getrusage(RUSAGE_SELF, &usage) == 0);
  return usage.ru_maxrss;
}

// Until so many can be read.
void await_bytes(int socket, size_t count) {
  auto deadline = Clock::now() + 20s;
  int there = 0;
  while (static_cast<size_t>(there) < count && Clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
    REQUIRE(::ioctl(socket, FIONREAD, &there) == 0);
  }
  REQUIRE(static_cast<size_t>(there) >= count);
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a guest gets all of its memory, each page once", "[guest][lazy]") {
  FakeDestination destination;
  destination.start();
  bool loaded = false;
  REQUIRE(open_stream(destination.source_end()));
  auto served = serve(destination.source_end(), {.on_loaded = [&] { loaded = true; }});
  INFO((served ? "" : served.error().message));
  REQUIRE(served);
  destination.end();
  CHECK(loaded);
  CHECK(destination.complete);
  CHECK(destination.commands ==
        std::vector<std::string>{"OPEN_RETURN_PATH", "POSTCOPY_ADVISE", "POSTCOPY_RAM_DISCARD",
                                 "PACKAGED", "POSTCOPY_LISTEN", "PING", "POSTCOPY_RUN"});
  CHECK(destination.devices == std::vector<std::string>{"early", "timer", "vga"});
  check_memory(destination);
  CHECK(counts.left_bytes == 0);
  CHECK(counts.pushed_pages == destination.pages.size());
}

TEST_CASE_METHOD(Fixture, "devices are loaded when the monitor answers again", "[guest][lazy]") {
  std::string question;
  std::atomic<bool> answered = false;
  ScriptedMonitor monitor([&](ScriptedMonitor& qemu) {
    qemu.greet();
    question = qemu.hear();
    std::this_thread::sleep_for(50ms);
    answered = true;
    qemu.say(R"({"return": {"status": "running"}, "id": 2})"
             "\r\n");
    qemu.hear();
  });
  auto qmp = QmpClient::adopt(monitor.client_end());
  REQUIRE(qmp);
  FakeDestination destination;
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  bool loaded_behind_answer = false;
  auto served = serve(destination.source_end(),
                      {.monitor = &*qmp, .on_loaded = [&] { loaded_behind_answer = answered; }});
  REQUIRE(served);
  CHECK(loaded_behind_answer);
  CHECK(question.find("query-status") != std::string::npos);
  destination.end();
  check_memory(destination);
}

TEST_CASE_METHOD(Fixture, "what is asked for comes before what is pushed", "[guest][lazy]") {
  Bytes requests;
  FakeDestination::append_request(requests, "pc.ram", 900 * kPage, 2 * kPage);  // one is zero
  FakeDestination::append_request(requests, 901 * kPage, kPage);                // again
  FakeDestination::append_request(requests, "pc.bios", kPage, kPage);
  FakeDestination destination({.at_first_page = requests, .per_page = 50us});
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  auto served = serve(destination.source_end(), {.max_push_bandwidth = 4u << 20});
  REQUIRE(served);
  destination.end();
  check_memory(destination);
  CHECK(counts.requests == 3);
  CHECK(counts.requests_already_sent == 1);
  CHECK(counts.served_pages == 3);
  CHECK(counts.worst_service_seconds >= counts.median_service_seconds);
  auto asked_at =
      std::ranges::find(destination.order, FakeDestination::PageKey{"pc.ram", 901 * kPage});
  CHECK(asked_at - destination.order.begin() < 300);
  CHECK(destination.pages.contains({"pc.ram", 900 * kPage}));
  CHECK(destination.pages.contains({"pc.bios", kPage}));
  REQUIRE(asked.size() == 3);
  CHECK(asked[0] == UnitRange{0, 900, 2});
  CHECK(asked[2] == UnitRange{1, 1, 1});
}

TEST_CASE_METHOD(Fixture, "without a push only what is asked for is sent", "[guest][lazy]") {
  Bytes requests;
  FakeDestination::append_request(requests, "pc.ram", 5 * kPage, kPage);
  FakeDestination::append_request(requests, kPage, kPage);
  FakeDestination destination({.at_run = requests, .close_after = 2});
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  auto served = serve(destination.source_end(), {}, false);
  REQUIRE_FALSE(served);
  CHECK(served.error().code == Errc::Environment);
  destination.end();
  CHECK(destination.order ==
        std::vector<FakeDestination::PageKey>{{"pc.ram", 5 * kPage}, {"pc.ram", kPage}});
}

TEST_CASE_METHOD(Fixture, "a request behind the stream's end is not answered", "[guest][lazy]") {
  Bytes request;
  FakeDestination::append_request(request, "pc.ram", 900 * kPage, kPage);  // zeros
  FakeDestination destination({.at_end = request});
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  auto served = serve(destination.source_end());
  INFO((served ? "" : served.error().message));
  CHECK(served);
  CHECK(counts.requests == 0);
  destination.end();
}

TEST_CASE_METHOD(Fixture, "a flood of requests waits in the socket", "[guest][lazy]") {
  constexpr size_t kRequests = 3'000'000;  // 56 bytes and more each, were all of them kept
  constexpr size_t kAtOnce = 1000;
  Bytes requests;
  FakeDestination::append_request(requests, "pc.ram", 900 * kPage, kPage);
  for (size_t i = 1; i < kAtOnce; ++i) {
    FakeDestination::append_request(requests, (900 + i % 2) * kPage, kPage);
  }
  FakeDestination destination(
      {.flood = requests, .floods = kRequests / kAtOnce, .per_page = 1000us});
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  long before = peak_kib();
  auto served = serve(destination.source_end(), {.record_time = 1h});
  INFO((served ? "" : served.error().message));
  REQUIRE(served);
  CHECK(peak_kib() - before < 64 * 1024);
  destination.end();
  check_memory(destination);
  CHECK(counts.requests > kAtOnce);
  CHECK(asked.size() <= size_t{1} << 18);
}

TEST_CASE_METHOD(Fixture, "a bitmap that nobody asked for is refused", "[guest][lazy]") {
  Bytes bitmap;
  append_be(bitmap, uint16_t{5});
  append_be(bitmap, uint16_t{7});
  REQUIRE(append_counted_string(bitmap, "pc.ram"));
  append_be(bitmap, uint64_t{64u << 20});
  FakeDestination destination({.at_run = bitmap});
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  auto served = serve(destination.source_end());
  REQUIRE_FALSE(served);
  CHECK(served.error().message.find("a bitmap of 67108864 bytes") != std::string::npos);
  destination.end();
}

TEST_CASE_METHOD(Fixture, "requests for what the guest does not have are refused",
                 "[guest][lazy]") {
  Bytes request;
  SECTION("no such block") {
    FakeDestination::append_request(request, "vga", 0, kPage);
  }
  SECTION("behind the end") {
    FakeDestination::append_request(request, "pc.bios", kPage, 2 * kPage);
  }
  SECTION("no block named yet") {
    FakeDestination::append_request(request, 0, kPage);
  }
  FakeDestination destination({.at_run = request, .per_page = 1ms});
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  auto served = serve(destination.source_end(), {.max_push_bandwidth = 1u << 20});
  REQUIRE_FALSE(served);
  CHECK(served.error().message.find("which the file does not have") != std::string::npos);
  destination.end();
}

TEST_CASE_METHOD(Fixture, "a page that cannot be read is left out and named", "[guest][lazy]") {
  damage(500);
  FakeDestination destination;
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  auto served = serve(destination.source_end());
  REQUIRE_FALSE(served);
  CHECK(served.error().code == Errc::Malformed);
  CHECK(served.error().message.find("the page at 0x1f4000 of RAM block 'pc.ram' cannot be "
                                    "delivered") != std::string::npos);
  destination.end();
  CHECK_FALSE(destination.complete);
  CHECK_FALSE(destination.pages.contains({"pc.ram", 500 * kPage}));
  CHECK(counts.lost_pages == 1);
  CHECK(destination.pages.size() == kPages - (kPages + 2) / 3 + 1 - 1);
}

TEST_CASE_METHOD(Fixture, "a page that can be read at the second try is not lost",
                 "[guest][lazy]") {
  // The reader for requests has a file that is damaged; who reads ahead has a whole one.
  std::filesystem::copy_file(path, folder / "whole");
  auto whole = LazyFile::open(std::move(*StateFile::open(folder / "whole")));
  REQUIRE(whole);
  damage(500);
  file.emplace(std::move(*whole));
  Bytes request;
  FakeDestination::append_request(request, "pc.ram", 500 * kPage, kPage);
  FakeDestination destination({.at_run = request, .per_page = 50us});
  destination.start();
  REQUIRE(open_stream(destination.source_end()));
  auto served = serve(destination.source_end(), {.max_push_bandwidth = 4u << 20});
  INFO((served ? "" : served.error().message));
  REQUIRE(served);
  destination.end();
  CHECK(destination.complete);
  check_memory(destination);
  CHECK(counts.requests == 1);
  CHECK(counts.served_pages == 0);
  CHECK(counts.lost_pages == 0);
}

TEST_CASE_METHOD(Fixture, "a broken connection is taken up where it broke", "[guest][lazy]") {
  Bytes head;
  auto sink = make_memory_sink(head);
  REQUIRE(write_opening(*reader, file->index(), blocks(), *sink));
  FakeDestination first({.close_after = 300});
  first.start();
  REQUIRE(open_stream(first.source_end()));
  REQUIRE_FALSE(serve(first.source_end()));
  first.end();

  // What the first connection brought, as QEMU tells it.
  Bytes answers;
  for (const auto& block : blocks()) {
    Bytes bits((block.pages + 63) / 64 * 8);
    for (const auto& [key, content] : first.pages) {
      if (key.first == block.name)
        bits[key.second / kPage / 8] |= std::byte(1 << key.second / kPage % 8);
    }
    append_be(answers, uint16_t{5});
    append_be(answers, static_cast<uint16_t>(1 + block.name.size()));
    REQUIRE(append_counted_string(answers, block.name));
    append_be(answers, uint64_t{bits.size()});
    append_bytes(answers, bits);
    append_be(answers, uint64_t{0x0123456789abcdef});
  }
  append_be(answers, uint16_t{6});
  append_be(answers, uint16_t{4});
  append_be(answers, uint32_t{1});

  Fixture again;
  FakeDestination second({.at_run = answers});
  second.start(head);
  PostcopyChannel channel(second.source_end());
  auto recovered =
      recover_postcopy(channel, again.blocks(), *again.ledger, {.deadline = Clock::now() + 20s});
  INFO((recovered ? "" : recovered.error().message));
  REQUIRE(recovered);
  REQUIRE(again.serve(channel, {.loaded = true}));
  second.end();
  CHECK(second.complete);
  for (const auto& [key, content] : first.pages) {
    CHECK_FALSE(second.pages.contains(key));
    second.pages.emplace(key, content);
  }
  check_memory(second);
}

TEST_CASE("target pages smaller than the host's go in whole host pages", "[guest][lazy]") {
  Fixture fixture(testing::small_stream());
  REQUIRE(fixture.blocks()[0].unit_pages == 4);
  Bytes request;
  FakeDestination::append_request(request, "pc.ram", 0x3000, 0x1000);
  FakeDestination destination({.at_run = request});
  destination.start();
  REQUIRE(fixture.open_stream(destination.source_end()));
  // A request behind the stream's end is answered no more; with it comes a pong.
  constexpr size_t kPongBytes = 8;
  await_bytes(destination.source_end(), kPongBytes + request.size());
  auto served = fixture.serve(destination.source_end());
  INFO((served ? "" : served.error().message));
  REQUIRE(served);
  destination.end();
  CHECK_FALSE(destination.sent_twice);
  // Four pages in a row each: of pc.ram's units 0 and 2, its unit 3 on request, and pc.bios.
  CHECK(destination.pages.size() == 16);
  for (size_t i = 0; i < destination.order.size(); i += 4) {
    for (size_t j = 1; j < 4; ++j) {
      CHECK(destination.order[i + j].second == destination.order[i].second + j * 0x400);
    }
  }
}
