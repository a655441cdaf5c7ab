// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include <vmstream/libvirt.h>
#include <vmstream/restore.h>
#include "guest/libvirt/domain_xml.h"
#include "guest/libvirt/dump_source.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

constexpr size_t kMuch = 4u << 20;  // more than a pipe holds

// A libvirt that keeps all answers about a domain until its dump has been read, as the real one
// may.
class FakeDomain final : public RunningDomain {
 public:
  std::atomic<bool> fails = false;
  std::atomic<bool> hangs = false;  // once all is written, until the job is aborted
  std::atomic<bool> aborted = false;
  std::atomic<int> refused_aborts = 0;
  std::atomic<bool> dumping = false;
  size_t bytes = kMuch;
  char content = 'Q';  // the first letter of a stream

  std::string daemon_version() override { return "9.0.0"; }
  std::string qemu_version() override { return "7.2.22"; }
  Result<DomainState> state() override {
    while (dumping) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return DomainState{.active = true, .running = true, .words = "running"};
  }
  Result<DomainJob> job(JobWhen) override { return DomainJob{}; }
  Result<std::vector<std::string>> disks() override { return std::vector<std::string>(); }
  Result<std::string> description(bool) override { return std::string("<domain/>"); }
  Status dump(const std::string& path, bool) override {
    dumping = true;
    auto done = write_to(path);
    dumping = false;
    return done;
  }
  Status abort_job() override {
    if (refused_aborts-- > 0) return Error{Errc::Environment, "the abort: no job is active"};
    aborted = true;
    return ok();
  }
  Status suspend() override { return ok(); }
  Status resume() override { return ok(); }
  Status destroy() override { return ok(); }

 private:
  Status write_to(const std::string& path) {
    UniqueFd fifo(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(fifo.is_open());
    ::signal(SIGPIPE, SIG_IGN);  // as libvirt's helpers do not, which end by it
    std::vector<char> piece(1000, content);
    for (size_t written = 0; written < bytes && !aborted; written += piece.size()) {
      if (::write(fifo.get(), piece.data(), piece.size()) < 0) return system_error("write", errno);
    }
    while (hangs && !aborted) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!fails && !aborted) return ok();
    return Error{Errc::Environment, "the dump: libvirt: it did not work"};
  }
};

std::unique_ptr<DumpSource> dump_of(const std::shared_ptr<FakeDomain>& domain,
                                    WaitLimits limits = {}) {
  auto source = DumpSource::begin(domain, {.limits = limits});
  REQUIRE(source);
  return std::move(*source);
}

// All bytes to the good end, or the error.
Result<size_t> read_all(ByteSource& source) {
  std::vector<std::byte> piece(64 * 1024);
  for (size_t total = 0;;) {
    auto count = source.read(piece);
    if (!count || *count == 0) return count ? Result<size_t>(total) : count;
    total += *count;
  }
}

WaitLimits limited_to(std::chrono::milliseconds time) {
  return {.deadline = Clock::now() + time};
}

TEST_CASE("a dump is read to its end, which libvirt confirms", "[guest][libvirt]") {
  auto domain = std::make_shared<FakeDomain>();
  for (size_t bytes : {kMuch, size_t{1000}, size_t{0}}) {
    domain->bytes = bytes;
    auto source = dump_of(domain);
    auto read = read_all(*source);
    REQUIRE(read);
    CHECK(*read == (bytes + 999) / 1000 * 1000);
    REQUIRE(source->end());
    CHECK(source->end()->status);
  }
}

TEST_CASE("all bytes of a dump that failed are no dump", "[guest][libvirt]") {
  auto domain = std::make_shared<FakeDomain>();
  domain->fails = true;
  auto source = dump_of(domain);
  auto read = read_all(*source);
  REQUIRE_FALSE(read);
  CHECK(read.error().message == "the dump: libvirt: it did not work");
}

TEST_CASE("a libvirt that does not come to an end is not waited for", "[guest][libvirt]") {
  auto domain = std::make_shared<FakeDomain>();
  domain->hangs = true;
  domain->refused_aborts = 2;  // of a job that has not begun
  auto source = dump_of(domain, limited_to(std::chrono::milliseconds(100)));
  auto read = read_all(*source);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::TimedOut);
  CHECK(source->cancel(limited_to(std::chrono::seconds(20))));
  CHECK(domain->aborted);
  CHECK_FALSE(source->end()->status);
}

TEST_CASE("a dump is cancelled while libvirt writes", "[guest][libvirt]") {
  auto domain = std::make_shared<FakeDomain>();
  auto source = dump_of(domain);
  std::byte one;
  REQUIRE(source->read(std::span(&one, 1)));
  CHECK(source->cancel(limited_to(std::chrono::seconds(20))));
  CHECK(domain->aborted);
}

TEST_CASE("a dump that libvirt packs is not aborted but left", "[guest][libvirt]") {
  auto domain = std::make_shared<FakeDomain>();
  domain->content = '\x1f';
  auto source = dump_of(domain);
  CHECK(source->cancel(limited_to(std::chrono::seconds(20))));
  CHECK_FALSE(domain->aborted);
  REQUIRE(source->end());
  CHECK_FALSE(source->end()->status);
}

TEST_CASE("a pause is at least as long as it was", "[guest][libvirt]") {
  std::vector<bool> told;
  PauseMeter pause(true, [&told](bool still) { told.push_back(still); });
  auto start = Clock::now();
  auto at = [start](int milliseconds) { return start + std::chrono::milliseconds(milliseconds); };
  pause.note(true, at(100));
  pause.note(false, at(110));
  pause.note(false, at(120));
  CHECK(pause.seconds(at(150)) == Approx(0.05));
  pause.note(true, at(200));
  pause.note(true, at(300));
  CHECK(pause.seconds(at(400)) == Approx(0.1));
  CHECK(told == std::vector<bool>{true, false});
}

TEST_CASE("passwords are replaced wherever an attribute has one", "[guest][libvirt]") {
  CHECK(without_passwords("<a><graphics type='vnc' passwd='x&apos;y' port='1'/></a>") ==
        "<a><graphics type='vnc' passwd='' port='1'/></a>");
  CHECK(without_passwords("<g  passwd = \"a>b'c\" />") == "<g  passwd = \"\" />");
  CHECK(without_passwords("<g passwd='1'/><g a='passwd=' passwd='2'>") ==
        "<g passwd=''/><g a='passwd=' passwd=''>");
  for (const char* kept :
       {"", "<", "<g", "<g passwd='1'", "<g passwd='1>", "<g passwd>", "<g passwd=>",
        "<!-- <g passwd='1'/> --><a/>", "<![CDATA[<g passwd='1'/>]]>", "<d>passwd='1'</d>",
        "<g xpasswd='1'/>", "<?xml passwd='1'?>", "<!-- <g passwd='1'/>"}) {
    CHECK(without_passwords(kept) == kept);
  }
}

TEST_CASE("disks that a guest writes to are found", "[guest][libvirt]") {
  CHECK(writable_disks(
            "<domain><target dev='net0'/>"
            "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/></disk>"
            "<disk><target dev='sda'/><readonly/></disk>"
            "<disk><target dev='vdb'/></disk></domain>") == std::vector<std::string>{"vda", "vdb"});
  CHECK(writable_disks("<disk><target dev='vda'").empty());
  CHECK(is_emulated("<?xml version='1.0'?>\n<domain id='1' type='qemu'>"));
  CHECK_FALSE(is_emulated("<domain type='kvm'><x type='qemu'/>"));
  CHECK_FALSE(is_emulated(""));
}

TEST_CASE("a domain's address is a name with a connection or without", "[guest][libvirt]") {
  auto check = [](const char* text, const char* uri, const char* domain) {
    auto address = DomainAddress::parse(text);
    REQUIRE(address);
    CHECK(address->uri == uri);
    CHECK(address->domain == domain);
  };
  check("web", "", "web");
  check("web#1", "", "web#1");
  check("qemu:///system#web", "qemu:///system", "web");
  check("qemu+unix:///system?socket=/a#b#web", "qemu+unix:///system?socket=/a#b", "web");
  for (const char* wrong : {"", "qemu:///system", "qemu:///system#", "a#qemu:///system"}) {
    auto address = DomainAddress::parse(wrong);
    REQUIRE_FALSE(address);
    CHECK(address.error().code == Errc::Usage);
  }
}

}  // namespace
TEST_CASE("a folder without room for the save image is seen beforehand", "[libvirt]") {
  testing::TempDir folder;
  auto plain = make_memory_source({});
  DomainPlan plan{.xml = "<domain/>", .folder = folder.path(), .stream_bytes = uint64_t{1} << 62};
  auto refused = restore_domain(*plain, plan, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::Environment);
  CHECK(refused.error().message.find("free") != std::string::npos);
  CHECK(refused.error().hint.find("--to libvirt") != std::string::npos);
}

}  // namespace vmstream
