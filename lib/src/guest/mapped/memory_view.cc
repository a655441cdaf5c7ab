// SPDX-License-Identifier: MIT
#include <vmstream/memory_view.h>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include <vmstream/digest.h>
#include <vmstream/text.h>
#include "guest/mapped/memory_copy.h"
#include "guest/mapped/page_files.h"
#include "guest/mapped/view_messages.h"
#include "guest/mapped/view_process.h"
#include "io/peer_user.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr int kBacklog = 128;
constexpr int kAttempts = 50;
constexpr auto kPause = std::chrono::milliseconds(20);

// A name that needs no file, and is gone with its process. It proves nothing: both ends look whose
// the other is.
struct MeetingPlace {
  sockaddr_un address{};
  socklen_t length = 0;

  explicit MeetingPlace(const std::string& identity) {
    std::string text = fmt::format("{} {}", ::geteuid(), identity);
    Sha256 digest;
    digest.update(std::as_bytes(std::span(text)));
    std::string name = "vmstream-view-" + digest.finish();
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());  // behind a zero: abstract
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

UniqueFd make_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

// Not open where nobody of this user is there.
UniqueFd find_view(const MeetingPlace& place) {
  UniqueFd socket = make_socket();
  if (::connect(socket.get(), place.get(), place.length) != 0) return {};
  auto user = get_unix_peer_user(socket.get());
  return user && *user == ::geteuid() ? std::move(socket) : UniqueFd();
}

// Not open where somebody else has the place.
UniqueFd take_place(const MeetingPlace& place) {
  UniqueFd socket = make_socket();
  bool taken = ::bind(socket.get(), place.get(), place.length) == 0 &&
               ::listen(socket.get(), kBacklog) == 0;
  return taken ? std::move(socket) : UniqueFd();
}

}  // namespace

bool has_memory_views() {
  return PageFiles::are_available();
}

Result<std::string> identify_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error("stat", errno);
  return fmt::format("{} {} {} {} {}.{:09} {}.{:09}", status.st_dev, status.st_rdev, status.st_ino,
                     status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                     status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

struct MemoryView::State {
  std::vector<std::string> names;  // of the files, not escaped
  std::vector<UniqueFd> files;
  UniqueFd socket;  // to the view; closed for a copy
  pid_t server = 0;
  bool joined = false;
  std::vector<LostPage> lost;  // heard, and not told yet

  void name_blocks(const StateIndex& index);
  Status enter(const StateIndex& index, const WaitLimits& limits);
  Status start(const LazyFile& file, const MemoryViewOptions& options, UniqueFd listener);
  Status meet(const LazyFile& file, const MemoryViewOptions& options);
  Result<std::string> hear(const WaitLimits& limits);
};

void MemoryView::State::name_blocks(const StateIndex& index) {
  for (const IndexedBlock& entry : index.facts.blocks) {
    if (names.size() < kMostBlocks) names.push_back(entry.block.name);
  }
}

// What the view says first.
Status MemoryView::State::enter(const StateIndex& index, const WaitLimits& limits) {
  auto packet = receive_packet(socket.get(), limits);
  if (!packet) return packet.error();
  if (packet->text.empty()) return Error{Errc::Environment, "the view ended before it began"};
  auto welcome = parse_welcome(packet->text, mark_of(index));
  if (!welcome) return welcome.error();
  if (packet->files.size() != names.size()) return Error{Errc::Refused, "a view of other blocks"};
  joined = welcome->others;
  server = welcome->pid;
  files = std::move(packet->files);
  return ok();
}

Status MemoryView::State::start(const LazyFile& file, const MemoryViewOptions& options,
                                UniqueFd listener) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return system_error("socketpair", errno);
  }
  socket.reset(ends[0]);
  auto started =
      start_view_process(file, {.first = UniqueFd(ends[1]),
                                           .others_end = ends[0],
                                           .listener = std::move(listener),
                                           .threads = options.threads});
  if (!started) return started.error();
  return enter(file.index(), options.limits);
}

// A view that is about to end answers no more, and has the place for a moment still.
Status MemoryView::State::meet(const LazyFile& file, const MemoryViewOptions& options) {
  if (options.identity.empty()) return start(file, options, {});
  MeetingPlace place(options.identity);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (UniqueFd listener = take_place(place); listener.is_open()) {
      return start(file, options, std::move(listener));
    }
    socket = find_view(place);
    if (!socket.is_open()) break;
    auto entered = enter(file.index(), options.limits);
    if (entered || entered.error().code != Errc::Environment) {
      if (!entered && entered.error().code == Errc::Refused) break;
      return entered;
    }
    if (auto paused = pause_within(kPause, options.limits, "the view"); !paused) return paused;
  }
  return start(file, options, {});
}

MemoryView::MemoryView(std::unique_ptr<State> state) : state_(std::move(state)) {}
MemoryView::MemoryView(MemoryView&&) noexcept = default;
MemoryView& MemoryView::operator=(MemoryView&&) noexcept = default;
MemoryView::~MemoryView() = default;

Result<MemoryView> MemoryView::open(const LazyFile& file, const MemoryViewOptions& options) {
  auto state = std::make_unique<State>();
  state->name_blocks(file.index());
  if (auto met = state->meet(file, options); !met) return met.error();
  return MemoryView(std::move(state));
}

Result<MemoryView> MemoryView::copy(const LazyFile& file, const MemoryViewOptions& options,
                                    const std::function<void(uint64_t bytes)>& on_progress) {
  auto state = std::make_unique<State>();
  state->name_blocks(file.index());
  auto files = copy_memory(file, state->names.size(), options, on_progress);
  if (!files) return files.error();
  state->files = std::move(*files);
  return MemoryView(std::move(state));
}

std::optional<std::string> MemoryView::path_of(std::string_view block) const {
  auto found = std::ranges::find(state_->names, block);
  if (found == state_->names.end()) return std::nullopt;
  auto number = static_cast<size_t>(found - state_->names.begin());
  return fmt::format("/proc/self/fd/{}", state_->files[number].get());
}

std::vector<int> MemoryView::descriptors() const {
  std::vector<int> all;
  for (const UniqueFd& file : state_->files) all.push_back(file.get());
  return all;
}

bool MemoryView::is_copy() const {
  return !state_->socket.is_open() && state_->server == 0;
}

bool MemoryView::is_joined() const {
  return state_->joined;
}

int MemoryView::server_pid() const {
  return state_->server;
}

// What comes in between is kept.
Result<std::string> MemoryView::State::hear(const WaitLimits& limits) {
  auto packet = receive_packet(socket.get(), limits);
  if (!packet) return packet.error();
  if (packet->text.empty()) {
    return Error{Errc::Environment, "the process that serves the guest's memory has ended"};
  }
  auto note = parse_lost(packet->text);
  if (note && note->block < names.size()) {
    lost.push_back({names[note->block], note->offset, note->error, note->is_old});
  }
  return std::move(packet->text);
}

Result<std::vector<LostPage>> MemoryView::lost_pages() {
  while (state_->socket.is_open() && has_packet(state_->socket.get())) {
    if (auto heard = state_->hear({}); !heard) return heard.error();
  }
  return std::exchange(state_->lost, {});
}

Result<ViewCounts> MemoryView::counts(const WaitLimits& limits) {
  if (is_copy()) return ViewCounts{};
  if (auto asked = send_packet(state_->socket.get(), kCountsWanted); !asked) return asked.error();
  for (;;) {
    auto heard = state_->hear(limits);
    if (!heard) return heard.error();
    if (auto counts = parse_counts(*heard)) return *counts;
  }
}

}  // namespace vmstream
