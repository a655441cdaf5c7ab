// SPDX-License-Identifier: MIT
// Bringing a state back as a domain: through a private save image, which libvirt is shown once it
// is whole.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include <vmstream/libvirt.h>
#include <vmstream/restore.h>
#include <vmstream/stream_statistics.h>
#include <vmstream/text.h>
#include "container/libvirt/libvirt_front.h"
#include "guest/libvirt/running_domain.h"
#include "guest/migration/private_folder.h"
#include "pipeline/call_apart.h"

namespace vmstream {
namespace {

// What writes the image is not what decides the guest's fate: libvirt's call is.
class BeforeTheCall final : public RestoreObserver {
 public:
  explicit BeforeTheCall(RestoreObserver* observer) : observer_(observer) {}
  void on_progress(const StreamCounts& counts) override {
    if (observer_) observer_->on_progress(counts);
  }
  void on_warning(const std::string& text) override {
    if (observer_) observer_->on_warning(text);
  }

 private:
  RestoreObserver* observer_;
};

// Writes the image, and sees whether its stream lets the guest run.
class ImageSink final : public ByteSink {
 public:
  ImageSink(int fd, const WaitLimits& limits) : file_(make_fd_sink(fd, limits)) {}

  Status open(const LibvirtFront& front) { return file_->write(make_libvirt_front(front)); }
  Status write(std::span<const std::byte> bytes) override {
    if (auto seen = tap_.on_bytes(bytes); !seen) return seen;
    return file_->write(bytes);
  }
  Status finish() override { return file_->finish(); }
  bool starts_guest() const { return tap_.starts_guest(); }

 private:
  std::unique_ptr<ByteSink> file_;
  StatisticsTap tap_;
};

// A save image that goes with this, and that nobody else finds.
class PrivateImage {
 public:
  static Result<PrivateImage> create(const DomainPlan& plan) {
    auto folder = PrivateFolder::create(::geteuid(), false, plan.folder);
    if (!folder) return folder.error();
    UniqueFd file(::open(folder->place().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.is_open()) return system_error("a save image in " + escape(plan.folder), errno);
    return PrivateImage(std::move(*folder), std::move(file));
  }
  const std::string& path() const { return folder_.place(); }
  int descriptor() const { return file_.get(); }

  /// At the front, whatever has been written behind it.
  Status put_header(const LibvirtFront& front) const {
    auto header = make_libvirt_header(front);
    ssize_t written = ::pwrite(file_.get(), header.data(), header.size(), 0);
    if (written == static_cast<ssize_t>(header.size())) return ok();
    return system_error("write of the save image", written < 0 ? errno : ENOSPC);
  }

 private:
  PrivateImage(PrivateFolder folder, UniqueFd file)
      : folder_(std::move(folder)), file_(std::move(file)) {}

  PrivateFolder folder_;
  UniqueFd file_;
};

// Whoever else writes there may still take it meanwhile.
Status check_room(const DomainPlan& plan) {
  struct statvfs system {};
  if (!plan.stream_bytes || ::statvfs(plan.folder.c_str(), &system) != 0) return ok();
  uint64_t room = uint64_t{system.f_bavail} * system.f_frsize;
  if (room >= *plan.stream_bytes) return ok();
  return Error{.code = Errc::Environment,
               .message = fmt::format(
                   "{} has {} free, the save image that libvirt is given takes {}",
                   escape(plan.folder), format_size(room), format_size(*plan.stream_bytes)),
               .hint =
                   "make room there, or write the image elsewhere: vmrestore FILE --to libvirt "
                   "-o IMAGE, then virsh restore IMAGE"};
}

RestoredState restored_state(const RestoreOptions& options) {
  switch (options.run_state) {
    case RunState::Running:
      return RestoredState::Running;
    case RunState::Paused:
      return RestoredState::Paused;
    case RunState::AsSaved:
      break;
  }
  return RestoredState::AsSaved;
}

// What to do about libvirt's refusal.
std::string hint_for(const std::string& words) {
  auto says = [&words](std::string_view what) { return words.find(what) != std::string::npos; };
  if (says("is already active")) return "the domain runs: virsh shutdown or destroy ends it first";
  if (says("already exists with uuid")) {
    return "another domain has its name: virsh undefine or domrename makes room";
  }
  if (says("Unknown savevm section") || says("Missing section") ||
      says("load of migration failed")) {
    return "the description does not fit the state: --xml takes that of the domain as it was saved";
  }
  if (says("unsupported machine type") || says("does not support machine type")) {
    return "this machine's QEMU does not know the guest's machine type";
  }
  if (says("XML error") || says("parser error")) return "the description is none of a domain";
  return {};
}

Status load(const DomainPlan& plan, const std::string& path, RestoredState state,
            const WaitLimits& limits) {
  auto loaded = call_apart<Status>(
      [uri = plan.uri, path, state] { return restore_save_image(uri, path, state); }, limits,
      "libvirt's restore");
  if (!loaded) return loaded.error();
  if (*loaded) return ok();
  Error error = loaded->error();
  if (error.hint.empty()) error.hint = hint_for(error.message);
  return error;
}

}  // namespace

Result<RestoreSummary> restore_domain(ByteSource& plain, const DomainPlan& plan,
                                      const RestoreOptions& options, RestoreObserver* observer) {
  auto begun = Clock::now();
  if (auto room = check_room(plan); !room) return room.error();
  auto image = PrivateImage::create(plan);
  if (!image) return image.error();
  LibvirtFront front{.xml = plan.xml};
  GuardOptions guard = options.guard;
  guard.hold_back = HoldBack::End;
  BeforeTheCall quiet(observer);
  ImageSink sink(image->descriptor(), options.limits);
  if (auto opened = sink.open(front); !opened) return opened.error();
  auto summary = restore_stream(plain, sink, &quiet, guard);
  if (!summary) return summary;
  front.is_finished = true;
  front.runs = options.run_state == RunState::AsSaved ? sink.starts_guest()
                                                      : options.run_state == RunState::Running;
  if (auto ended = image->put_header(front); !ended) return ended.error();
  if (observer) observer->on_point_of_no_return();
  auto loaded = load(plan, image->path(), restored_state(options), options.limits);
  if (!loaded) {
    if (observer) observer->on_refusal(loaded.error().message);
    return loaded.error();
  }
  summary->run_state = front.runs ? "running" : "paused";
  summary->total_seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  return summary;
}

}  // namespace vmstream
