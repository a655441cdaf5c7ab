// SPDX-License-Identifier: MIT
#define FUSE_USE_VERSION 314

#include "io/fuse_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fuse_lowlevel.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "base/unique_fd.h"
#include "io/child_process.h"

namespace vmstream {
namespace {

constexpr const char* kDevice = "/dev/fuse";
constexpr unsigned kMostReadBytes = 1u << 20;
constexpr double kForever = 365.0 * 24 * 3600;  // seconds: nothing here changes
constexpr fuse_ino_t kFirst = FUSE_ROOT_ID + 1;

Error no_fuse(std::string message) {
  return Error{Errc::Unsupported, "FUSE: " + std::move(message)};
}

size_t node_of(fuse_ino_t number) {
  return number == FUSE_ROOT_ID ? FuseTree::kRoot : number - kFirst;
}

fuse_ino_t number_of(size_t node) {
  return node == FuseTree::kRoot ? FUSE_ROOT_ID : node + kFirst;
}

// What the serving thread works with.
struct Served {
  FuseTree::Setup setup;
  std::map<size_t, std::vector<size_t>> folders;  // what is in each
  uint64_t handles = 0;

  struct stat attributes_of(size_t node) const {
    struct stat status {};
    bool is_folder = node == FuseTree::kRoot || setup.nodes[node].is_folder;
    mode_t writing = setup.accepts_writers ? 0200 : 0;
    status.st_ino = number_of(node);
    status.st_uid = ::geteuid();
    status.st_gid = ::getegid();
    status.st_mode = (is_folder ? S_IFDIR | 0500 : S_IFREG | 0400) | writing;
    status.st_nlink = is_folder ? 2 : 1;
    if (!is_folder) status.st_size = static_cast<off_t>(setup.nodes[node].length);
    return status;
  }
  void count(bool opened) {
    handles = opened ? handles + 1 : handles - 1;
    if (setup.on_use) setup.on_use(handles);
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

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Served& served = served_by(request);
  auto folder = served.folders.find(node_of(parent));
  if (folder == served.folders.end()) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  auto found = std::ranges::find_if(
      folder->second, [&](size_t node) { return served.setup.nodes[node].name == name; });
  if (found == folder->second.end()) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  fuse_entry_param entry{};
  entry.ino = number_of(*found);
  entry.attr = served.attributes_of(*found);
  entry.attr_timeout = kForever;
  entry.entry_timeout = kForever;
  fuse_reply_entry(request, &entry);
}

void on_getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info* /*handle*/) {
  struct stat status = served_by(request).attributes_of(node_of(number));
  fuse_reply_attr(request, &status, kForever);
}

// The place of an entry is that of the next one among the folder's, "." and ".." first.
void on_readdir(fuse_req_t request, fuse_ino_t number, size_t size, off_t place,
                fuse_file_info* /*handle*/) {
  Served& served = served_by(request);
  const std::vector<size_t>& nodes = served.folders[node_of(number)];
  std::vector<char> entries(std::min<size_t>(size, kMostReadBytes));
  size_t used = 0;
  for (auto at = static_cast<size_t>(place); at < nodes.size() + 2; ++at) {
    size_t node = at < 2 ? node_of(number) : nodes[at - 2];
    std::string name = at < 2 ? std::string(at + 1, '.') : served.setup.nodes[node].name;
    struct stat status = served.attributes_of(node);
    size_t taken = fuse_add_direntry(request, entries.data() + used, entries.size() - used,
                                     name.c_str(), &status, static_cast<off_t>(at + 1));
    if (taken > entries.size() - used) break;
    used += taken;
  }
  fuse_reply_buf(request, entries.data(), used);
}

// QEMU up to 8.1 opens for writing what it maps privately.
void on_open(fuse_req_t request, fuse_ino_t /*number*/, fuse_file_info* handle) {
  Served& served = served_by(request);  // the request is gone with its reply
  bool is_writer = (handle->flags & O_ACCMODE) != O_RDONLY;
  if ((handle->flags & O_TRUNC) != 0 || (is_writer && !served.setup.accepts_writers)) {
    fuse_reply_err(request, EROFS);
    return;
  }
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

Status run_unmounter(const std::vector<std::string>& command) {
  auto helper = ChildProcess::start(command, {});
  if (!helper) return helper.error();
  auto ended = helper->wait({});
  if (!ended) return ended.error();
  return ended->success() ? ok() : Status(no_fuse("fusermount3 -u: " + ended->text()));
}

}  // namespace

void FuseRequest::answer(std::span<const std::byte> bytes) const {
  fuse_reply_buf(static_cast<fuse_req_t>(request_), reinterpret_cast<const char*>(bytes.data()),
                 bytes.size());
}

void FuseRequest::refuse() const {
  fuse_reply_err(static_cast<fuse_req_t>(request_), EIO);
}

bool FuseTree::is_available() {
  return true;
}

struct FuseTree::State {
  Served served;
  std::string folder;
  fuse_session* session = nullptr;
  fuse_buf buffer{};
  UniqueFd lifeline;  // closes after the guard has ended
  std::optional<ChildProcess> guard;

  ~State();
  Status make_session();
  Status mount();
  Status start_guard();
  static void on_read(fuse_req_t request, fuse_ino_t number, size_t length, off_t offset,
                      fuse_file_info* handle);
};

FuseTree::State::~State() {
  guard.reset();
  if (session) fuse_session_destroy(session);
  std::free(buffer.mem);
}

void FuseTree::State::on_read(fuse_req_t request, fuse_ino_t number, size_t length, off_t offset,
                              fuse_file_info* /*handle*/) {
  FuseRequest asked;
  asked.file = node_of(number);
  asked.offset = static_cast<uint64_t>(offset);
  asked.length = length;
  asked.asker = fuse_req_ctx(request)->pid;
  asked.request_ = request;
  served_by(request).setup.on_request(asked);
}

Status FuseTree::State::make_session() {
  fuse_lowlevel_ops calls{};
  calls.init = on_init;
  calls.lookup = on_lookup;
  calls.getattr = on_getattr;
  calls.setattr = on_setattr;
  calls.readdir = on_readdir;
  calls.open = on_open;
  calls.read = on_read;
  calls.write = on_write;
  calls.release = on_release;
  auto options = fmt::format("-ofsname=vmstream,subtype=vmstream,nodev,nosuid,noexec,max_read={}{}",
                             kMostReadBytes, served.setup.accepts_writers ? "" : ",ro");
  std::string name = "vmstream";
  char* words[] = {name.data(), options.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(2, words);
  session = fuse_session_new(&arguments, &calls, sizeof calls, &served);
  fuse_opt_free_args(&arguments);
  return session ? ok() : Status(no_fuse("no session"));
}

Status FuseTree::State::mount() {
  if (fuse_session_mount(session, folder.c_str()) == 0) return ok();
  return no_fuse("cannot be mounted; without root's rights this takes fusermount3");
}

// The helper sees the other end of its stdin close, however this process ends. That of libfuse
// (auto_unmount) works for root only.
Status FuseTree::State::start_guard() {
  constexpr const char* kScript =
      "exec 2>/dev/null; trap '' INT QUIT HUP; read -r word || exec fusermount3 -u -q -z -- \"$1\"";
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe", errno);
  UniqueFd stdin_end(ends[0]);
  lifeline = UniqueFd(ends[1]);
  auto started =
      ChildProcess::start({"sh", "-c", kScript, "sh", folder}, {.stdin_fd = stdin_end.get()});
  if (!started) return started.error();
  guard.emplace(std::move(*started));
  return ok();
}

FuseTree::FuseTree(std::unique_ptr<State> state) : state_(std::move(state)) {}
FuseTree::FuseTree(FuseTree&&) noexcept = default;
FuseTree& FuseTree::operator=(FuseTree&&) noexcept = default;
FuseTree::~FuseTree() = default;

Result<FuseTree> FuseTree::mount(Setup setup, const std::string& folder) {
  if (::access(kDevice, R_OK | W_OK) != 0) {
    return no_fuse(system_error(kDevice, errno).message);
  }
  auto state = std::make_unique<State>();
  state->folder = folder;
  state->served.setup = std::move(setup);
  const auto& nodes = state->served.setup.nodes;
  for (size_t i = 0; i < nodes.size(); ++i) state->served.folders[nodes[i].parent].push_back(i);
  if (auto made = state->make_session(); !made) return made.error();
  if (state->served.setup.is_guarded) {
    if (auto started = state->start_guard(); !started) return started.error();
  }
  if (auto mounted = state->mount(); !mounted) return mounted.error();
  return FuseTree(std::move(state));
}

int FuseTree::descriptor() const {
  return fuse_session_fd(state_->session);
}

bool FuseTree::serve_one() {
  int length = fuse_session_receive_buf(state_->session, &state_->buffer);
  if (length == -EINTR || length == -EAGAIN) return true;
  if (length <= 0) return false;
  fuse_session_process_buf(state_->session, &state_->buffer);
  return true;
}

Status FuseTree::detach() const {
  if (::umount2(state_->folder.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return ok();
  return run_unmounter({"fusermount3", "-u", "-q", "-z", state_->folder});
}

Status FuseTree::unmount() const {
  if (::umount2(state_->folder.c_str(), UMOUNT_NOFOLLOW) == 0) return ok();
  if (errno == EBUSY) return system_error("umount", EBUSY);
  return run_unmounter({"fusermount3", "-u", "-q", state_->folder});
}

}  // namespace vmstream
