// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <thread>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include <vmstream/command.h>
#include <vmstream/openpgp.h>
#include <vmstream/output_file.h>
#include <vmstream/random_source.h>
#include "base/unique_fd.h"
#include "io/child_process.h"
#include "io/fd.h"
#include "io/temporary_name.h"
#include "support/catch.h"
#include "support/read_all.h"
#include "support/temp_dir.h"

using namespace vmstream;
using testing::read_all;
using testing::TempDir;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

size_t files_in(const std::string& folder) {
  auto entries = std::filesystem::directory_iterator(folder);
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

WaitLimits within(std::chrono::milliseconds time) {
  return {.deadline = Clock::now() + time};
}

}  // namespace

TEST_CASE("pump moves everything and shows it to the tap", "[io]") {
  struct Counter : ByteTap {
    size_t seen = 0;
    Status on_bytes(std::span<const std::byte> bytes) override {
      seen += bytes.size();
      return ok();
    }
  } tap;
  std::vector<std::byte> out;
  auto source =
      make_prefixed_source({std::byte{'a'}, std::byte{'b'}}, make_memory_source(bytes_of("cdef")));
  auto sink = make_memory_sink(out);
  CHECK(*pump(*source, *sink, &tap) == 6);
  CHECK(text_of(out) == "abcdef");
  CHECK(tap.seen == 6);
}

TEST_CASE("a read from a silent pipe ends with its deadline or its cancellation", "[io]") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  std::array<std::byte, 8> buffer{};
  CHECK(make_fd_source(pipe->reader.get(), within(std::chrono::milliseconds(20)))
            ->read(buffer)
            .error()
            .code == Errc::TimedOut);
  auto cancellation = Cancellation::create();
  std::jthread later([&] { cancellation->request(); });
  CHECK(make_fd_source(pipe->reader.get(), {.cancellation = &*cancellation})
            ->read(buffer)
            .error()
            .code == Errc::Interrupted);
}

TEST_CASE("a FIFO that nobody writes to is waited for within limits", "[io]") {
  TempDir folder;
  std::string path = folder / "fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  auto check_ends = [&](const WaitLimits& limits, Errc code) {
    auto source = open_file_source(path, limits);
    REQUIRE(source);
    std::byte byte{};
    auto count = (*source)->read(std::span(&byte, 1));
    REQUIRE_FALSE(count);
    CHECK(count.error().code == code);
    auto input = open_input(path, limits);
    REQUIRE(input);
    REQUIRE_FALSE(input->file);
    auto first = input->stream->read(std::span(&byte, 1));
    REQUIRE_FALSE(first);
    CHECK(first.error().code == code);
    auto secret = Secret::read_file(path, limits);
    REQUIRE_FALSE(secret);
    CHECK(secret.error().code == code);
  };
  check_ends(within(std::chrono::milliseconds(20)), Errc::TimedOut);
  // The signal has come before anything is waited for.
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  cancellation->request();
  check_ends({.cancellation = &*cancellation}, Errc::Interrupted);

  std::thread writer([&] { std::ofstream(path) << "late"; });
  auto source = open_file_source(path, within(std::chrono::seconds(20)));
  REQUIRE(source);
  auto all = read_all(**source, 100);
  writer.join();
  REQUIRE(all);
  CHECK(text_of(*all) == "late");
}

TEST_CASE("a FIFO that nobody reads is waited for within limits", "[io]") {
  TempDir folder;
  std::string path = folder / "fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  auto check_ends = [&](const WaitLimits& limits, Errc code) {
    auto file = OutputFile::create(path, Overwrite::Refuse, limits);
    REQUIRE_FALSE(file);
    CHECK(file.error().code == code);
  };
  check_ends(within(std::chrono::milliseconds(50)), Errc::TimedOut);
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    cancellation->request();
  });
  check_ends({.cancellation = &*cancellation}, Errc::Interrupted);

  std::string text;
  std::thread reader([&] { std::getline(std::ifstream(path), text); });
  auto file = OutputFile::create(path, Overwrite::Refuse, within(std::chrono::seconds(20)));
  REQUIRE(file);
  CHECK((*file)->write(bytes_of("late")));
  CHECK((*file)->commit_file());
  reader.join();
  CHECK(text == "late");
}

TEST_CASE("a child that is gone is not waited for", "[io]") {
  auto child = ChildProcess::start({"true"}, {});
  REQUIRE(child);
  auto other = ChildProcess::start({"sleep", "60"}, {});
  REQUIRE(other);
  REQUIRE(child->wait({}));
  auto again = child->wait({});
  REQUIRE_FALSE(again);
  CHECK(again.error().message == "there is no command to wait for");
  auto released = ChildProcess::start({"true"}, {});
  REQUIRE(released);
  pid_t pid = released->pid();
  released->release();
  CHECK_FALSE(released->wait({}));  // nor is the other child taken for it
  CHECK(other->running());
  CHECK(::waitpid(pid, nullptr, 0) == pid);
}

TEST_CASE("somebody is told while a wait lasts, and ends it", "[io]") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  int told = 0;
  const std::function<void()> meanwhile = [&] {
    if (++told == 2) REQUIRE(::write(pipe->writer.get(), "x", 1) == 1);
  };
  std::array<std::byte, 8> buffer{};
  CHECK(*make_fd_source(pipe->reader.get(), {.meanwhile = &meanwhile})->read(buffer) == 1);
  CHECK(told == 2);
}

TEST_CASE("a write to a reader that does not read ends with its deadline", "[io]") {
  auto pipe = make_pipe(4096);
  REQUIRE(pipe);
  std::vector<std::byte> much(8u << 20);
  auto sink = make_fd_sink(pipe->writer.get(), within(std::chrono::milliseconds(50)));
  auto written = sink->write(much);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == Errc::TimedOut);
}

TEST_CASE("a reader that went away is an error, not a death", "[io]") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  pipe->reader.reset();
  auto written = make_fd_sink(pipe->writer.get())->write(bytes_of("x"));
  REQUIRE_FALSE(written);
  CHECK(written.error().message == "write: Broken pipe");
}

TEST_CASE("a pipe is waited for until it has been read", "[io]") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  auto sink = make_fd_sink(pipe->writer.get());
  REQUIRE(sink->write(bytes_of("all of it")));
  auto impatient =
      await_reader(pipe->writer.get(), {.deadline = Clock::now() + std::chrono::milliseconds(30)});
  REQUIRE_FALSE(impatient);
  CHECK(impatient.error().code == Errc::TimedOut);

  std::jthread reader([&pipe] {
    std::array<std::byte, 9> read;
    for (size_t count = 0; count < read.size(); ++count) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      REQUIRE(::read(pipe->reader.get(), &read[count], 1) == 1);
    }
  });
  CHECK(await_reader(pipe->writer.get()));
  reader.join();

  REQUIRE(sink->write(bytes_of("left")));
  pipe->reader.reset();
  auto left = await_reader(pipe->writer.get());
  REQUIRE_FALSE(left);
  CHECK(left.error().message == "whoever read the output left 4 bytes of it unread");
}

TEST_CASE("an output file appears only when committed, private and whole", "[io]") {
  TempDir folder;
  std::string path = folder / "guest.zst";
  auto file = OutputFile::create(path, Overwrite::Refuse);
  REQUIRE(file);
  REQUIRE((*file)->write(bytes_of("state")));
  CHECK_FALSE(std::filesystem::exists(path));
  REQUIRE((*file)->commit_file());
  CHECK(read_file(path) == "state");
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::mask) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("an output file that is not committed leaves nothing behind", "[io]") {
  TempDir folder;
  {
    auto file = OutputFile::create(folder / "guest.zst", Overwrite::Refuse);
    REQUIRE(file);
    REQUIRE((*file)->write(bytes_of("half")));
  }
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("an existing file is refused, also when it turns up late", "[io]") {
  TempDir folder;
  std::string path = folder / "guest.zst";
  auto late = OutputFile::create(path, Overwrite::Refuse);
  REQUIRE(late);
  std::ofstream(path) << "old";
  CHECK(OutputFile::create(path, Overwrite::Refuse).error().code == Errc::Refused);
  CHECK((*late)->commit_file().error().code == Errc::Refused);
  CHECK(read_file(path) == "old");
}

TEST_CASE("replacing an existing file keeps the old one until the new one is whole", "[io]") {
  TempDir folder;
  std::string path = folder / "guest.zst";
  std::ofstream(path) << "old";
  std::filesystem::create_symlink("guest.zst", folder / "link");
  auto file = OutputFile::create(folder / "link", Overwrite::Replace);
  REQUIRE(file);
  REQUIRE((*file)->write(bytes_of("new")));
  CHECK(read_file(path) == "old");
  REQUIRE((*file)->commit_file());
  CHECK(read_file(path) == "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(files_in(folder.path()) == 2);
}

TEST_CASE("what a killed writer left is removed, and nothing else", "[io]") {
  TempDir folder;
  UniqueFd left(::open((folder / ".guest.zst.77-0.partial").c_str(), O_CREAT | O_RDWR, 0600));
  UniqueFd being_written(
      ::open((folder / ".guest.zst.78-0.partial").c_str(), O_CREAT | O_RDWR, 0600));
  REQUIRE(claim_temporary(being_written));
  for (const char* other : {".guest.zst.partial", ".guest.zst.x-0.partial",
                            "guest.zst.77-0.partial", ".other.zst.77-0.partial"}) {
    std::ofstream(folder / other) << "somebody's";
  }
  std::filesystem::create_directory(folder / ".guest.zst.79-0.partial");
  auto file = OutputFile::create(folder / "guest.zst", Overwrite::Refuse);
  REQUIRE(file);
  CHECK_FALSE(std::filesystem::exists(folder / ".guest.zst.77-0.partial"));
  CHECK(files_in(folder.path()) == 6);
}

TEST_CASE("a writer whose file was taken for a leftover is told", "[io]") {
  TempDir folder;
  std::string path = folder / temporary_name("guest.zst");
  UniqueFd writer(::open(path.c_str(), O_CREAT | O_RDWR, 0600));
  UniqueFd cleaner(::open(path.c_str(), O_RDONLY));
  REQUIRE(claim_temporary(cleaner));
  CHECK_FALSE(claim_temporary(writer));
  cleaner.reset();
  CHECK(claim_temporary(writer));
}

TEST_CASE("names that somebody has taken beforehand do not stop a replacement", "[io]") {
  TempDir folder;
  std::string path = folder / "guest.zst";
  std::ofstream(path) << "old";
  for (unsigned attempt = 0; attempt < 100; ++attempt) {
    std::ofstream(folder / fmt::format(".guest.zst.{}-{}.partial", ::getpid(), attempt)) << "x";
  }
  auto file = OutputFile::create(path, Overwrite::Replace);
  REQUIRE(file);
  std::ofstream(folder / fmt::format(".guest.zst.{}-0.partial", ::getpid())) << "squatted";
  REQUIRE((*file)->write(bytes_of("new")));
  REQUIRE((*file)->commit_file());
  CHECK(read_file(path) == "new");
  CHECK(temporary_name("guest.zst") != temporary_name("guest.zst"));
}

TEST_CASE("the mode is 0600 whatever the umask", "[io]") {
  TempDir folder;
  for (mode_t mask : {0000u, 0077u, 0277u, 0777u}) {
    mode_t before = ::umask(mask);
    std::string path = folder / fmt::format("guest-{:o}", mask);
    auto file = OutputFile::create(path, Overwrite::Refuse);
    ::umask(before);
    REQUIRE(file);
    REQUIRE((*file)->commit_file());
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
  }
}

TEST_CASE("devices are written in place, folders and missing folders are refused", "[io]") {
  TempDir folder;
  auto null = OutputFile::create("/dev/null", Overwrite::Refuse);
  REQUIRE(null);
  CHECK((*null)->write(bytes_of("gone")));
  CHECK((*null)->commit_file());
  auto full = OutputFile::create("/dev/full", Overwrite::Refuse);
  REQUIRE(full);
  CHECK((*full)->write(bytes_of("x")).error().message == "write: No space left on device");
  CHECK(OutputFile::create(folder.path(), Overwrite::Refuse).error().code == Errc::Usage);
  CHECK(OutputFile::create(folder / "no/where", Overwrite::Refuse).error().message ==
        "open the output's folder: No such file or directory");
}

TEST_CASE("an output file can be written by position, with holes", "[io]") {
  TempDir folder;
  auto file = OutputFile::create(folder / "image", Overwrite::Refuse);
  REQUIRE(file);
  std::vector<std::byte> page(65536, std::byte{7});
  std::vector<std::byte> seen(65536, std::byte{1});
  REQUIRE((*file)->resize(1 << 20));
  REQUIRE((*file)->write_at(1 << 19, page));
  REQUIRE((*file)->write_at(0, page));
  REQUIRE((*file)->read_at(1 << 19, seen));
  CHECK(seen == page);
  REQUIRE((*file)->disk_bytes() >= 2 * page.size());
  REQUIRE((*file)->clear_at(0, page.size()));
  REQUIRE((*file)->read_at(0, seen));
  CHECK(seen == std::vector<std::byte>(65536));
  REQUIRE((*file)->read_at((1 << 20) - 10, seen));  // beyond the end: zeros
  CHECK(seen == std::vector<std::byte>(65536));
  REQUIRE((*file)->commit_file());
  CHECK(std::filesystem::file_size(folder / "image") == 1 << 20);
  struct stat status {};
  REQUIRE(::stat((folder / "image").c_str(), &status) == 0);
  CHECK(status.st_blocks * 512 <= 2 * 65536);
  CHECK((*file)->disk_bytes() == static_cast<uint64_t>(status.st_blocks) * 512);
  auto null = OutputFile::create("/dev/null", Overwrite::Refuse);
  REQUIRE(null);
  CHECK((*null)->write_at(0, page).error().code == Errc::Usage);
}

TEST_CASE("a command's exit status decides", "[io]") {
  TempDir folder;
  auto good = make_command_sink("cat > " + (folder / "out"));
  REQUIRE(good);
  REQUIRE((*good)->write(bytes_of("through a command")));
  CHECK((*good)->finish());
  CHECK(read_file(folder / "out") == "through a command");

  auto late = make_command_sink("cat > /dev/null; exit 3");
  REQUIRE(late);
  REQUIRE((*late)->write(bytes_of("x")));
  CHECK((*late)->finish().error().message ==
        "command 'cat > /dev/null; exit 3' failed with exit status 3");

  for (auto [number, shown] : {std::pair(9, "signal 9 (Killed)"), std::pair(40, "signal 40")}) {
    auto killed = make_command_sink(fmt::format("cat > /dev/null; kill -{} $$", number));
    REQUIRE(killed);
    CHECK((*killed)->finish().error().message.ends_with(shown));
  }
}

TEST_CASE("a command that stops reading early is an error even with status 0", "[io]") {
  std::vector<std::byte> much(4u << 20);
  auto sink = make_command_sink("head -c 10 > /dev/null");
  REQUIRE(sink);
  auto written = (*sink)->write(much);
  if (written) written = (*sink)->write(much);
  REQUIRE_FALSE(written);
  CHECK(written.error().message ==
        "command 'head -c 10 > /dev/null' ended with exit status 0 before it had read everything");
}

TEST_CASE("what a command leaves unread in its pipe is an error", "[io]") {
  std::vector<std::byte> some(50000);
  for (const char* command :
       {"true", "sleep 0.2", "head -c 10 > /dev/null", "exec <&-; sleep 0.2"}) {
    INFO(command);
    auto sink = make_command_sink(command);
    REQUIRE(sink);
    auto done = (*sink)->write(some);
    if (done) done = (*sink)->finish();
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::Environment);
    CHECK(done.error().message.starts_with(fmt::format("command '{}' ended with", command)));
  }
  auto nothing_read = make_command_sink("sleep 0.2");
  REQUIRE(nothing_read);
  REQUIRE((*nothing_read)->write(some));
  CHECK((*nothing_read)->finish().error().message ==
        "command 'sleep 0.2' ended with exit status 0 and left 50000 bytes unread");
}

TEST_CASE("a filter that leaves bytes unread is an error whatever it printed", "[io]") {
  std::vector<std::byte> some(50000);
  for (const char* command : {"dd bs=1000 count=7 2> /dev/null", "echo header; sleep 0.2"}) {
    INFO(command);
    std::vector<std::byte> out;
    auto sink = make_memory_sink(out);
    auto filter = make_filter_sink(command, *sink);
    REQUIRE(filter);
    auto done = (*filter)->write(some);
    if (done) done = (*filter)->finish();
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::Environment);
    CHECK(done.error().message.starts_with("command '"));
  }
}

TEST_CASE("a command that is just run counts by its exit status", "[io]") {
  TempDir folder;
  CHECK(run_command("cat > " + (folder / "ran")));
  CHECK(std::filesystem::file_size(folder / "ran") == 0);
  CHECK(run_command("exit 3").error().message == "command 'exit 3' failed with exit status 3");
  CHECK(run_command("sleep 60", -1, within(std::chrono::milliseconds(50))).error().code ==
        Errc::TimedOut);
}

TEST_CASE("an abandoned command is ended before its input closes", "[io]") {
  TempDir folder;
  {
    auto sink = make_command_sink("cat > " + (folder / "raw") + " && touch " + (folder / "whole"));
    REQUIRE(sink);
    REQUIRE((*sink)->write(bytes_of("half")));
  }
  CHECK_FALSE(std::filesystem::exists(folder / "whole"));
}

TEST_CASE("a command inherits no descriptor of ours", "[io]") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  int leaky = ::dup(pipe->writer.get());  // without close-on-exec, as a careless caller has them
  auto source = make_command_source("ls /proc/self/fd | wc -w");
  REQUIRE(source);
  std::vector<std::byte> out;
  auto sink = make_memory_sink(out);
  REQUIRE(pump(**source, *sink));
  CHECK(std::stoi(text_of(out)) == 4);  // 0, 1, 2 and the one that ls itself holds
  ::close(leaky);
}

TEST_CASE("a command source is clean only if the command ended well", "[io]") {
  std::vector<std::byte> out;
  auto sink = make_memory_sink(out);
  auto good = make_command_source("printf state");
  REQUIRE(good);
  CHECK(*pump(**good, *sink) == 5);
  CHECK(text_of(out) == "state");
  auto bad = make_command_source("printf state; exit 7");
  REQUIRE(bad);
  auto moved = pump(**bad, *sink);
  REQUIRE_FALSE(moved);
  CHECK(moved.error().message == "command 'printf state; exit 7' failed with exit status 7");
}

TEST_CASE("a filter gives its output to the next sink", "[io]") {
  std::vector<std::byte> plain(3u << 20, std::byte{'a'});
  std::vector<std::byte> out;
  auto sink = make_memory_sink(out);
  auto filter = make_filter_sink("tr a b", *sink);
  REQUIRE(filter);
  REQUIRE((*filter)->write(plain));
  REQUIRE((*filter)->finish());
  CHECK(out.size() == plain.size());
  CHECK(std::all_of(out.begin(), out.end(), [](std::byte b) { return b == std::byte{'b'}; }));
}

TEST_CASE("a filter that fails at once, midway or at the end is an error", "[io]") {
  for (const char* command : {"exit 1", "head -c 1000", "cat; exit 2"}) {
    INFO(command);
    std::vector<std::byte> much(4u << 20);
    std::vector<std::byte> out;
    auto sink = make_memory_sink(out);
    auto filter = make_filter_sink(command, *sink);
    REQUIRE(filter);
    auto done = (*filter)->write(much);
    if (done) done = (*filter)->write(much);
    if (done) done = (*filter)->finish();
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::Environment);
    CHECK(done.error().message.starts_with("command '"));
  }
}
