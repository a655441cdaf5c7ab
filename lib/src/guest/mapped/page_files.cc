// SPDX-License-Identifier: MIT
#define FUSE_USE_VERSION 314

#include "guest/mapped/page_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fuse_lowlevel.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "guest/migration/private_folder.h"
#include "io/child_process.h"

namespace vmstream {
namespace {

constexpr const char* kDevice = "/dev/fuse";
constexpr const char* kWayOut = "--map=copy needs none; it reads all of the memory first";
constexpr unsigned kMostReadBytes = 1u << 20;
constexpr double kForever = 365.0 * 24 * 3600;  // seconds: nothing here changes
constexpr fuse_ino_t kFirstFile = FUSE_ROOT_ID + 1;

Error no_fuse(std::string message) {
  return Error{
      .code = Errc::Unsupported, .message = "FUSE: " + std::move(message), .hint = kWayOut};
}

// What the serving thread works with.
struct Served {
  PageFiles::Setup setup;
  uint64_t handles = 0;

  struct stat attributes_of(fuse_ino_t number) const {
    struct stat status {};
    status.st_ino = number;
    status.st_uid = ::geteuid();
    status.st_gid = ::getegid();
    bool is_root = number == FUSE_ROOT_ID;
    status.st_mode = is_root ? S_IFDIR | 0700 : S_IFREG | 0600;
    status.st_nlink = is_root ? 2 : 1;
    if (!is_root) status.st_size = static_cast<off_t>(setup.lengths[number - kFirstFile]);
    return status;
  }
  void count(bool opened) {
    handles = opened ? handles + 1 : handles - 1;
    uint64_t own = setup.lengths.size();
    if (setup.on_use) setup.on_use(handles > own ? handles - own : 0);
  }
};

Served& served_by(fuse_req_t request) {
  return *static_cast<Served*>(fuse_req_userdata(request));
}

void on_init(void* /*served*/, fuse_conn_info* connection) {
  connection->max_read = kMostReadBytes;
  connection->max_readahead = kMostReadBytes;
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_AUTO_INVAL_DATA);
}

// The files are called by their numbers.
void on_lookup(fuse_req_t request, fuse_ino_t /*parent*/, const char* name) {
  Served& served = served_by(request);
  char* end = nullptr;
  size_t file = std::strtoul(name, &end, 10);
  if (*name == 0 || *end != 0 || file >= served.setup.lengths.size()) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  fuse_entry_param entry{};
  entry.ino = kFirstFile + file;
  entry.attr = served.attributes_of(entry.ino);
  entry.attr_timeout = kForever;
  entry.entry_timeout = kForever;
  fuse_reply_entry(request, &entry);
}

void on_getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info* /*handle*/) {
  struct stat status = served_by(request).attributes_of(number);
  fuse_reply_attr(request, &status, kForever);
}

// QEMU up to 8.1 opens for writing what it maps privately.
void on_open(fuse_req_t request, fuse_ino_t /*number*/, fuse_file_info* handle) {
  if ((handle->flags & O_TRUNC) != 0) {
    fuse_reply_err(request, EROFS);
    return;
  }
  Served& served = served_by(request);  // the request is gone with its reply
  handle->keep_cache = 1;
  if (fuse_reply_open(request, handle) == 0) served.count(true);
}

void on_release(fuse_req_t request, fuse_ino_t /*number*/, fuse_file_info* /*handle*/) {
  Served& served = served_by(request);
  fuse_reply_err(request, 0);
  served.count(false);
}

void on_setattr(fuse_req_t request, fuse_ino_t /*number*/, struct stat* /*wanted*/, int /*which*/,
                fuse_file_info* /*handle*/) {
  fuse_reply_err(request, EROFS);
}

void on_write(fuse_req_t request, fuse_ino_t /*number*/, const char* /*bytes*/, size_t /*count*/,
              off_t /*offset*/, fuse_file_info* /*handle*/) {
  fuse_reply_err(request, EROFS);
}

UniqueFd open_file(const std::string& folder, size_t file) {
  auto path = fmt::format("{}/{}", folder, file);
  return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

// Those who have a file open keep the file system; nobody finds it any more.
Status detach(const std::string& folder) {
  if (::umount2(folder.c_str(), MNT_DETACH) == 0) return ok();
  auto helper = ChildProcess::start({"fusermount3", "-u", "-q", "-z", folder}, {});
  if (!helper) return helper.error();
  auto ended = helper->wait({});
  if (!ended) return ended.error();
  return ended->success() ? ok() : Status(no_fuse("fusermount3 -u: " + ended->text()));
}

}  // namespace

void PageRequest::answer(std::span<const std::byte> bytes) const {
  fuse_reply_buf(static_cast<fuse_req_t>(request_), reinterpret_cast<const char*>(bytes.data()),
                 bytes.size());
}

void PageRequest::refuse() const {
  fuse_reply_err(static_cast<fuse_req_t>(request_), EIO);
}

bool PageFiles::are_available() {
  return true;
}

struct PageFiles::State {
  Served served;
  std::optional<PrivateFolder> folder;
  fuse_session* session = nullptr;
  std::vector<UniqueFd> files;
  std::vector<int> descriptors;
  std::jthread server;

  ~State();
  Status make_session();
  Status mount();
  Status open_files();
  void serve() const;

  static void on_read(fuse_req_t request, fuse_ino_t number, size_t length, off_t offset,
                      fuse_file_info* handle);
};

void PageFiles::State::on_read(fuse_req_t request, fuse_ino_t number, size_t length, off_t offset,
                               fuse_file_info* /*handle*/) {
  PageRequest asked;
  asked.file = number - kFirstFile;
  asked.offset = static_cast<uint64_t>(offset);
  asked.length = length;
  asked.asker = fuse_req_ctx(request)->pid;
  asked.request_ = request;
  served_by(request).setup.on_request(asked);
}

// Once nobody has a file open the file system is gone, and the server with it.
PageFiles::State::~State() {
  files.clear();
  if (server.joinable()) server.join();
  if (session) fuse_session_destroy(session);
}

Status PageFiles::State::make_session() {
  fuse_lowlevel_ops calls{};
  calls.init = on_init;
  calls.lookup = on_lookup;
  calls.getattr = on_getattr;
  calls.setattr = on_setattr;
  calls.open = on_open;
  calls.read = on_read;
  calls.write = on_write;
  calls.release = on_release;
  auto options = fmt::format("-ofsname=vmstream,subtype=vmstream,noexec,max_read={}",
                             kMostReadBytes);
  std::string name = "vmstream";
  char* words[] = {name.data(), options.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(2, words);
  session = fuse_session_new(&arguments, &calls, sizeof calls, &served);
  fuse_opt_free_args(&arguments);
  return session ? ok() : Status(no_fuse("no session"));
}

Status PageFiles::State::mount() {
  if (::access(kDevice, R_OK | W_OK) != 0) {
    return no_fuse(system_error(kDevice, errno).message);
  }
  auto made = PrivateFolder::create(::geteuid(), false);
  if (!made) return made.error();
  folder.emplace(std::move(*made));
  if (::mkdir(folder->place().c_str(), 0700) != 0) return system_error("mkdir", errno);
  if (fuse_session_mount(session, folder->place().c_str()) == 0) return ok();
  ::rmdir(folder->place().c_str());
  return no_fuse("cannot be mounted; without root's rights this takes fusermount3");
}

// Once a question about a close was not understood, the kernel asks no more of them. Else a process
// that is killed while it serves its own files would wait for its own answer for ever.
Status PageFiles::State::open_files() {
  open_file(folder->place(), 0).reset();
  for (size_t file = 0; file < served.setup.lengths.size(); ++file) {
    UniqueFd opened = open_file(folder->place(), file);
    if (!opened.is_open()) return no_fuse(system_error("open a file of its own", errno).message);
    descriptors.push_back(opened.get());
    files.push_back(std::move(opened));
  }
  return ok();
}

void PageFiles::State::serve() const {
  fuse_buf buffer{};
  for (;;) {
    int length = fuse_session_receive_buf(session, &buffer);
    if (length == -EINTR || length == -EAGAIN) continue;
    if (length <= 0) break;
    fuse_session_process_buf(session, &buffer);
  }
  std::free(buffer.mem);
}

PageFiles::PageFiles(std::unique_ptr<State> state) : state_(std::move(state)) {}
PageFiles::PageFiles(PageFiles&&) noexcept = default;
PageFiles::~PageFiles() = default;

Result<PageFiles> PageFiles::mount(Setup setup) {
  auto state = std::make_unique<State>();
  state->served.setup = std::move(setup);
  if (auto made = state->make_session(); !made) return made.error();
  if (auto mounted = state->mount(); !mounted) return mounted.error();
  state->server = std::jthread([&state = *state] { state.serve(); });
  auto opened = state->open_files();
  auto detached = detach(state->folder->place());
  ::rmdir(state->folder->place().c_str());
  state->folder.reset();
  if (!opened) return opened.error();
  if (!detached) return detached.error();
  return PageFiles(std::move(state));
}

const std::vector<int>& PageFiles::descriptors() const {
  return state_->descriptors;
}

}  // namespace vmstream
