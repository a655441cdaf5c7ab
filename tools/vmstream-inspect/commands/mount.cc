// SPDX-License-Identifier: MIT
// mount: a saved guest as files in a folder.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <nlohmann/json.hpp>

#include <vmstream/state_mount.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/commands/saved_guest.h"
#include "vmstream-inspect/print/printer.h"

namespace vminspect {

using vmstream::Errc;
using vmstream::Error;
using vmstream::MountedText;
using vmstream::MountEnd;
using vmstream::Result;
using vmtools::ExitStatus;
using vmtools::Session;

namespace {

constexpr size_t kMostTextBytes = 256u << 20;  // of a file that is made of what a command prints

void add_printed(std::vector<MountedText>& texts, std::string name,
                 const std::function<void()>& print) {
  vmtools::CapturedOutput output(kMostTextBytes);
  print();
  if (auto text = output.take()) texts.push_back({std::move(name), std::move(*text)});
}

// What info, dump and extract vmdesc say.
std::vector<MountedText> make_texts(const DeviceReading& devices) {
  const auto& [reading, collector, summary] = devices;
  std::vector<MountedText> texts;
  add_printed(texts, "info.txt", [&] { make_text_printer(false)->info(reading.subject, summary); });
  add_printed(texts, "info.json", [&] { make_json_printer()->info(reading.subject, summary); });
  add_printed(texts, "devices.json", [&] { print_state_json(devices); });
  if (reading.description) texts.push_back({"vmdesc.json", *reading.description});
  return texts;
}

// The other end of --background: tells the process that waits that the files are there, and leaves
// its terminal.
class Starter {
 public:
  Starter() = default;
  explicit Starter(int owned_fd) : fd_(owned_fd) {}

  void tell() {
    if (fd_ < 0) return;
    ::setsid();
    int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, fd);
    ::close(nothing);
    [[maybe_unused]] bool left = ::chdir("/") == 0;
    [[maybe_unused]] ssize_t told = ::write(fd_, "", 1);
    ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

class Mount {
 public:
  Mount(Session& session, const InspectOptions& options, Starter starter)
      : session_(session), options_(options), starter_(starter) {}

  ExitStatus run() {
    if (!vmstream::can_mount_states()) {
      return fail({Errc::Unsupported, "this vmstream was built without FUSE"});
    }
    auto guest = open_guest(session_, options_, IndexTrust::Quick,
                            [](const vmstream::SectionHeader&) { return true; });
    if (!guest) return fail(guest.error());
    auto end = serve(*guest);
    if (!end) return session_.fail(folder(), end.error());
    session_.messages().detail(fmt::format("the mount has ended: {}", name_of(*end)));
    return status_;
  }

 private:
  ExitStatus fail(const Error& error) { return session_.fail(shown_name(options_), error); }
  const std::string& folder() const { return options_.arguments[0]; }

  Result<MountEnd> serve(SavedGuest& guest);
  void tell_ready(const SavedGuest& guest);
  void tell_fault(const std::string& path, const Error& error);
  void tell_left_out(const std::string& path, const Error& error);
  void warn_of_absent(const vmstream::RamImage& image);

  Session& session_;
  const InspectOptions& options_;
  Starter starter_;
  ExitStatus status_ = ExitStatus::Done;
};

void Mount::warn_of_absent(const vmstream::RamImage& image) {
  uint64_t absent = 0;
  for (size_t block = 0; block < image.blocks().size(); ++block)
    absent += image.count_absent(block);
  if (absent == 0) return;
  session_.messages().warning(shown_name(options_),
                              fmt::format("{} pages were never sent; they are zero here", absent));
}

void Mount::tell_ready(const SavedGuest& guest) {
  auto json = opening_json("vmstream.mount/1", guest.devices.reading.subject);
  json["folder"] = vmstream::escape(folder());
  json["map_proved"] = guest.map.is_proved();
  auto line = fmt::format("mounted at {}, until umount{}", vmstream::escape(folder()),
                          options_.background ? "" : " or Ctrl-C");
  auto told = session_.report(json, {line}, "the files are there");
  if (told != ExitStatus::Done) status_ = told;
  starter_.tell();
}

void Mount::tell_left_out(const std::string& path, const Error& error) {
  session_.messages().warning(shown_name(options_),
                              fmt::format("{} is left out: {}", path, error.message));
}

void Mount::tell_fault(const std::string& path, const Error& error) {
  Error shown = error;
  shown.message = fmt::format("{}: {}", path, shown.message);
  session_.messages().error(shown_name(options_), shown);
  status_ = vmtools::exit_status_of(error.code);
}

Result<MountEnd> Mount::serve(SavedGuest& guest) {
  vmstream::StateMountOptions how{.folder = folder(), .texts = make_texts(guest.devices)};
  auto cpus = vmstream::read_cpu_registers(*guest.devices.collector);
  if (!cpus && cpus.error().code != Errc::Unsupported) return cpus.error();
  if (!cpus) tell_left_out("core", cpus.error());
  how.image = {.cpus = cpus ? std::move(*cpus) : std::vector<vmstream::CpuRegisters>(),
               .vmcoreinfo_address = find_note_address(*guest.devices.collector),
               .with_firmware = options_.with_firmware,
               .threads = options_.common.threads};
  how.limits = session_.limits();
  how.idle = options_.idle;
  how.on_left_out = [this](const std::string& path, const Error& error) {
    tell_left_out(path, error);
  };
  how.on_fault = [this](const std::string& path, const Error& error) { tell_fault(path, error); };
  how.on_ready = [this, &guest] { tell_ready(guest); };
  warn_of_absent(guest.memory->image);
  return vmstream::serve_state_mount(guest.memory->file, guest.map, how);
}

// Waits until the child has the files ready, or has failed.
ExitStatus await_start(Session& session, pid_t child, int ready) {
  char told = 0;
  ssize_t count = 0;
  while ((count = ::read(ready, &told, 1)) < 0 && errno == EINTR) {
  }
  ::close(ready);
  if (count == 1) return ExitStatus::Done;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return session.fail("", vmstream::system_error("waitpid", errno));
  }
  if (WIFEXITED(status)) return static_cast<ExitStatus>(WEXITSTATUS(status));
  return session.fail("", Error{Errc::Environment, "the process of the mount was killed"});
}

}  // namespace

ExitStatus mount_state(Session& session, const InspectOptions& options) {
  if (!options.background) return Mount(session, options, {}).run();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return session.fail("", vmstream::system_error("pipe", errno));
  pid_t child = ::fork();
  if (child < 0) return session.fail("", vmstream::system_error("fork", errno));
  if (child > 0) {
    ::close(ends[1]);
    return await_start(session, child, ends[0]);
  }
  ::close(ends[0]);
  return Mount(session, options, Starter(ends[1])).run();
}

}  // namespace vminspect
