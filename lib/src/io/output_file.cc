// SPDX-License-Identifier: MIT
// A file that appears whole. Where the file system allows, the temporary has no name at all
// (O_TMPFILE), so that not even SIGKILL leaves something behind.
#include <vmstream/output_file.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "io/block_device.h"
#include "io/fd.h"
#include "io/same_file.h"
#include "io/temporary_name.h"
#include "io/wait.h"

namespace vmstream {
namespace {

// How much is written before the kernel is asked to start writing it out: early enough that the
// final fsync finds little left to do.
constexpr uint64_t kWritebackBytes = 16u << 20;

// At a name for a file that is not whole yet.
constexpr int kAttempts = 100;

// Between two looks at a FIFO.
constexpr auto kReaderInterval = std::chrono::milliseconds(20);

Error refused() {
  return Error{
      .code = Errc::Refused, .message = "the file exists already", .hint = "--force replaces it"};
}

// By a name of its own, such as /dev/stdout, that leads to a file.
Error refused_stdout() {
  return Error{.code = Errc::Refused,
               .message = "the output is the file that stdout goes to",
               .hint = "-o - writes to stdout"};
}

std::string folder_of(const std::string& path) {
  auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

// Mode 0600 whatever the umask and the folder's default access list have left of it. File systems
// without modes refuse, and have other ways.
void make_private(const UniqueFd& file) {
  [[maybe_unused]] int changed = ::fchmod(file.get(), 0600);
}

std::string file_name_of(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

struct OutputFile::State {
  std::string path;    // as the caller gave it
  std::string target;  // links followed
  Overwrite overwrite = Overwrite::Refuse;
  WaitLimits limits;
  UniqueFd folder;
  UniqueFd file;
  std::string temporary;  // its name in the folder; empty while it has none
  bool in_place = false;
  std::optional<BlockDevice> device;  // in place of `file`
  std::optional<Writer> opened_writer;
  uint64_t written = 0;
  uint64_t disk_bytes = 0;  // when the file was closed
  uint64_t writeback_from = 0;
  std::vector<std::byte> front;  // to be written last

  Writer& writer() { return opened_writer ? *opened_writer : opened_writer.emplace(file.get()); }
  Status open_in_place(mode_t mode);
  Status open_temporary();
  Status open_named_temporary();
  Status sync();
  Status publish();
  Status link_to_target(const std::string& name);
  Status link_to_hidden(const std::string& name);
  Status rename_to_target(const std::string& name);
  Status check_positioned() const;
  Status check_interrupted() const;
  Status link_as(const std::string& name) const;
  void start_writeback(bool by_position);
  void drop();
};

// A pipe or a terminal takes whatever comes, and keeps nothing of it for a later reader.
Status OutputFile::State::open_in_place(mode_t mode) {
  in_place = true;
  if (S_ISSOCK(mode)) {
    return Error{.code = Errc::Usage,
                 .message = "the output is a socket, which takes no file",
                 .hint = "-o - | socat - UNIX-CONNECT:SOCKET connects to it"};
  }
  if (S_ISBLK(mode)) {
    auto opened = BlockDevice::open(path, overwrite);
    if (!opened) return opened.error();
    device.emplace(std::move(*opened));
    return ok();
  }
  // A FIFO opens once somebody reads it, and until then not at all rather than past all limits.
  for (;;) {
    file.reset(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (file.is_open()) return ok();
    if (errno != ENXIO || !S_ISFIFO(mode)) return system_error("open", errno);
    if (auto waited = pause_within(kReaderInterval, limits, "a reader of the output"); !waited) {
      return waited;
    }
  }
}

// An unnamed file first. Some file systems (NFS, older overlayfs) have none: then a hidden name.
Status OutputFile::State::open_temporary() {
  file.reset(::openat(folder.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.is_open()) {
    claim_temporary(file);  // it may get a name for a moment
    make_private(file);
    return ok();
  }
  if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) return open_named_temporary();
  return system_error("create a file in the output's folder", errno);
}

Status OutputFile::State::open_named_temporary() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::string name = temporary_name(file_name_of(target));
    file.reset(::openat(folder.get(), name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    if (!file.is_open() && errno != EEXIST) break;
    if (file.is_open() && claim_temporary(file)) {
      make_private(file);
      temporary = name;
      return ok();
    }
  }
  return system_error("create a file in the output's folder", errno);
}

Status OutputFile::State::sync() {
  if (::fsync(file.get()) == 0) return ok();
  if (in_place && (errno == EINVAL || errno == EROFS)) return ok();  // pipes and such cannot sync
  return system_error("fsync", errno);
}

Status OutputFile::State::link_as(const std::string& name) const {
  std::string source = fmt::format("/proc/self/fd/{}", file.get());
  int linked =
      temporary.empty()
          ? ::linkat(AT_FDCWD, source.c_str(), folder.get(), name.c_str(), AT_SYMLINK_FOLLOW)
          : ::linkat(folder.get(), temporary.c_str(), folder.get(), name.c_str(), 0);
  if (linked == 0) return ok();
  if (errno == EEXIST) return refused();
  return system_error("link", errno);
}

// A link never replaces anything.
Status OutputFile::State::link_to_target(const std::string& name) {
  if (auto linked = link_as(name); !linked) return linked;
  if (temporary.empty() || ::unlinkat(folder.get(), temporary.c_str(), 0) == 0) temporary.clear();
  return ok();
}

// A hidden name that somebody has taken costs nothing but another attempt.
Status OutputFile::State::link_to_hidden(const std::string& name) {
  auto linked = ok();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::string hidden = temporary_name(name);
    linked = link_as(hidden);
    if (linked) temporary = hidden;
    if (linked || linked.error().code != Errc::Refused) break;
  }
  return linked;
}

Status OutputFile::State::rename_to_target(const std::string& name) {
  if (temporary.empty()) {  // a rename needs a name to begin with
    if (auto linked = link_to_hidden(name); !linked) return linked;
  }
  if (::renameat(folder.get(), temporary.c_str(), folder.get(), name.c_str()) != 0) {
    return system_error("rename", errno);
  }
  temporary.clear();
  return ok();
}

// Gives the file its name.
Status OutputFile::State::publish() {
  std::string name = file_name_of(target);
  auto named = overwrite == Overwrite::Refuse ? link_to_target(name) : rename_to_target(name);
  if (!named) return named;
  if (::fsync(folder.get()) == 0) return ok();
  int error = errno;
  // A name that may be gone after a crash is none. A file that was replaced cannot be had back.
  if (overwrite == Overwrite::Refuse) ::unlinkat(folder.get(), name.c_str(), 0);
  return system_error("fsync of the folder", error);
}

// Who writes by position has left the kernel something to do anywhere in the file.
void OutputFile::State::start_writeback(bool by_position) {
  constexpr off64_t kToTheEnd = 0;
  if (in_place || written - writeback_from < kWritebackBytes) return;
  auto from = static_cast<off64_t>(by_position ? 0 : writeback_from);
  auto length = by_position ? kToTheEnd : static_cast<off64_t>(written - writeback_from);
  ::sync_file_range(file.get(), from, length, SYNC_FILE_RANGE_WRITE);
  writeback_from = written;
}

Status OutputFile::State::check_positioned() const {
  if (!in_place) return ok();
  return Error{Errc::Usage, "by position only a regular file can be written"};
}

// Writes to a file do not wait, so that nothing else would notice the request.
Status OutputFile::State::check_interrupted() const {
  if (!limits.cancellation || !limits.cancellation->requested()) return ok();
  return Error{Errc::Interrupted, "interrupted"};
}

void OutputFile::State::drop() {
  if (!temporary.empty()) ::unlinkat(folder.get(), temporary.c_str(), 0);
  temporary.clear();
  opened_writer.reset();
  file.reset();
  device.reset();
}

OutputFile::OutputFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
OutputFile::~OutputFile() {
  discard();
}

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path, Overwrite overwrite,
                                                       WaitLimits limits) {
  auto state = std::make_unique<State>();
  state->path = state->target = path;
  state->overwrite = overwrite;
  state->limits = limits;
  if (file_name_of(path).empty()) return Error{Errc::Usage, "the output is a folder"};
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return Error{Errc::Usage, "the output is a folder"};
    if (!S_ISREG(status.st_mode)) {
      if (auto opened = state->open_in_place(status.st_mode); !opened) {
        return opened.error();
      }
      return std::unique_ptr<OutputFile>(new OutputFile(std::move(state)));
    }
    bool is_kept = overwrite == Overwrite::Refuse;
    if (is_kept) return is_same_file(path, "/dev/stdout") ? refused_stdout() : refused();
    std::error_code unresolved;
    auto real = std::filesystem::canonical(path, unresolved);
    if (!unresolved) state->target = real.string();
  }
  if (file_name_of(state->target).size() > NAME_MAX) {
    return system_error("create the output", ENAMETOOLONG);
  }
  state->folder.reset(::open(folder_of(state->target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!state->folder.is_open()) return system_error("open the output's folder", errno);
  remove_leftovers(state->folder, file_name_of(state->target));
  if (auto opened = state->open_temporary(); !opened) return opened.error();
  return std::unique_ptr<OutputFile>(new OutputFile(std::move(state)));
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  auto written = state_->device ? state_->device->write(bytes, state_->limits)
                                : state_->writer().write_all(bytes, state_->limits);
  if (!written) return written;
  state_->written += bytes.size();
  state_->start_writeback(false);
  return ok();
}

Status OutputFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  if (auto possible = state_->check_positioned(); !possible) return possible;
  if (auto going = state_->check_interrupted(); !going) return going;
  state_->written += bytes.size();
  while (!bytes.empty()) {
    ssize_t count =
        ::pwrite(state_->file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("write", errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  state_->start_writeback(true);
  return ok();
}

Status OutputFile::clear_at(uint64_t offset, uint64_t length) {
  if (auto possible = state_->check_positioned(); !possible) return possible;
  if (::fallocate(state_->file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(offset), static_cast<off_t>(length)) == 0) {
    return ok();
  }
  if (errno != EOPNOTSUPP && errno != ENOSYS) return system_error("punch a hole", errno);
  static constexpr std::array<std::byte, 65536> kZeros{};
  while (length > 0) {
    auto count = static_cast<size_t>(std::min<uint64_t>(length, kZeros.size()));
    auto written = write_at(offset, std::span(kZeros).first(count));
    if (!written) return written;
    offset += count;
    length -= count;
  }
  return ok();
}

Status OutputFile::read_at(uint64_t offset, std::span<std::byte> into) const {
  if (auto possible = state_->check_positioned(); !possible) return possible;
  while (!into.empty()) {
    ssize_t count =
        ::pread(state_->file.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read", errno);
    if (count == 0) {  // behind the end: a hole
      std::ranges::fill(into, std::byte{0});
      return ok();
    }
    into = into.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return ok();
}

Status OutputFile::resize(uint64_t length) {
  if (auto possible = state_->check_positioned(); !possible) return possible;
  if (length > static_cast<uint64_t>(INT64_MAX)) {
    return Error{Errc::Unsupported, fmt::format("a file of {:#x} bytes is not possible", length)};
  }
  if (::ftruncate(state_->file.get(), static_cast<off_t>(length)) == 0) return ok();
  return system_error("set the length of the output", errno);
}

Status OutputFile::replace_front(std::vector<std::byte> bytes) {
  if (auto possible = state_->check_positioned(); !possible) return possible;
  state_->front = std::move(bytes);
  return ok();
}

Status OutputFile::finish() {
  return ok();
}

Result<std::unique_ptr<ByteSource>> OutputFile::read_back() {
  if (state_->in_place) {
    return Error{Errc::Unsupported, "only a regular file can be read back"};
  }
  if (auto synced = state_->sync(); !synced) return synced.error();
  ::posix_fadvise(state_->file.get(), 0, 0, POSIX_FADV_DONTNEED);
  return open_file_source(fmt::format("/proc/self/fd/{}", state_->file.get()), state_->limits);
}

Status OutputFile::commit_file() {
  if (state_->device) return state_->device->finish();
  if (auto synced = state_->sync(); !synced) return synced;
  if (!state_->front.empty()) {
    if (auto written = write_at(0, state_->front); !written) return written;
    if (auto synced = state_->sync(); !synced) return synced;
  }
  if (state_->in_place) {
    if (auto read = await_reader(state_->file.get(), state_->limits); !read) return read;
    state_->opened_writer.reset();  // a FIFO's reader waits for it, too
    return state_->file.close();
  }
  if (auto published = state_->publish(); !published) return published;
  state_->disk_bytes = disk_bytes();
  state_->file.reset();  // what close() could report, fsync() has been asked
  return ok();
}

void OutputFile::discard() {
  if (state_) state_->drop();
}

const std::string& OutputFile::path() const {
  return state_->path;
}
uint64_t OutputFile::bytes_written() const {
  return state_->written;
}
bool OutputFile::is_in_place() const {
  return state_->in_place;
}

int OutputFile::descriptor() const {
  return state_->file.get();
}

uint64_t OutputFile::disk_bytes() const {
  constexpr uint64_t kUnitBytes = 512;  // of st_blocks, whatever the file system
  struct stat status {};
  if (::fstat(state_->file.get(), &status) != 0) return state_->disk_bytes;
  return static_cast<uint64_t>(status.st_blocks) * kUnitBytes;
}

Status require_other_file(const std::string& output, const std::string& input) {
  if (!is_same_file(output, input == "-" ? "/dev/stdin" : input)) return ok();
  return Error{Errc::Refused, "the output is the file that is read"};
}

}  // namespace vmstream
