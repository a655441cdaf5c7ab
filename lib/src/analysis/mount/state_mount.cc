// SPDX-License-Identifier: MIT
#include <vmstream/state_mount.h>

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <filesystem>
#include <memory>
#include <utility>

#include "analysis/mount/mounted_tree.h"
#include "io/wait.h"
#include "pipeline/mailbox.h"
#include "pipeline/worker_lanes.h"

namespace vmstream {
namespace {

constexpr uint64_t kLaneBytes = 1u << 20;
constexpr size_t kOnePage = 4096;  // the kernel asks for less of no file

struct MountFault {
  size_t node = 0;
  Error error;
};

// Readers of the file, one a thread. What lies in one MiB of a file is always read by the same of
// them: blocks of a compressed state that it has decoded for one question serve the next.
class MountAnswers {
 public:
  Status open(StateFile& file, const MountedTree& tree, unsigned threads);
  void answer(const FuseRequest& request) {
    size_t stripe = static_cast<size_t>(request.offset / kLaneBytes);
    lanes_->push((stripe + request.file) % lanes_->count(), request);
  }
  void close() { lanes_.reset(); }
  Mailbox<MountFault>& faults() { return faults_; }

 private:
  void answer(MountedFiles& files, const FuseRequest& request);

  Mailbox<MountFault> faults_;
  std::unique_ptr<WorkerLanes<FuseRequest>> lanes_;  // last: its threads use the rest
};

Status MountAnswers::open(StateFile& file, const MountedTree& tree, unsigned threads) {
  if (!faults_.is_open()) return system_error("eventfd", EMFILE);
  std::vector<WorkerLanes<FuseRequest>::Work> works;
  for (unsigned i = 0; i < count_threads(threads); ++i) {
    auto opened = MountedFiles::open(file, tree);
    if (!opened) return opened.error();
    std::shared_ptr<MountedFiles> files = std::move(*opened);
    works.emplace_back([this, files](const FuseRequest& request) { answer(*files, request); });
  }
  lanes_ = std::make_unique<WorkerLanes<FuseRequest>>(std::move(works));
  return ok();
}

// Of a longer question that fails the kernel asks page by page, and those pages are told of.
void MountAnswers::answer(MountedFiles& files, const FuseRequest& request) {
  auto bytes = files.read(request.file, request.offset, request.length);
  if (bytes) return request.answer(*bytes);
  if (request.length <= kOnePage) faults_.put({request.file, bytes.error()});
  request.refuse();
}

class StateMount {
 public:
  StateMount(StateFile& file, const StateMountOptions& options) : file_(file), options_(options) {}

  Result<MountEnd> run(const PhysicalMap& map);

 private:
  Result<std::string> find_folder() const;
  Result<FuseTree> mount(const std::string& folder);
  Result<MountEnd> serve(FuseTree& mounted);
  void tell_faults();

  StateFile& file_;
  const StateMountOptions& options_;
  MountedTree tree_;
  MountAnswers answers_;
  uint64_t handles_ = 0;
  size_t told_ = 0;
};

Result<std::string> StateMount::find_folder() const {
  namespace fs = std::filesystem;
  std::error_code failed;
  auto folder = fs::canonical(options_.folder, failed);
  if (failed) return system_error("the folder to mount at", failed.value());
  if (!fs::is_directory(folder, failed)) return Error{Errc::Usage, "this is no folder to mount at"};
  bool is_empty = fs::is_empty(folder, failed);
  if (failed) return system_error("the folder to mount at", failed.value());
  if (!is_empty) {
    return Error{.code = Errc::Usage,
                 .message = "the folder to mount at is not empty",
                 .hint = "what is in it would be hidden; make a new one"};
  }
  return folder.string();
}

Result<FuseTree> StateMount::mount(const std::string& folder) {
  FuseTree::Setup setup;
  setup.nodes = tree_.nodes;
  setup.is_guarded = true;
  setup.on_request = [this](const FuseRequest& request) { answers_.answer(request); };
  setup.on_use = [this](uint64_t handles) { handles_ = handles; };
  return FuseTree::mount(std::move(setup), folder);
}

void StateMount::tell_faults() {
  for (const MountFault& fault : answers_.faults().take()) {
    if (fault.error.code == Errc::Interrupted) continue;  // the end of the mount
    if (told_++ >= kMostToldFaults || !options_.on_fault) continue;
    options_.on_fault(tree_.path_of(fault.node), fault.error);
  }
}

Result<MountEnd> StateMount::serve(FuseTree& mounted) {
  std::array<pollfd, 2> waiting{pollfd{mounted.descriptor(), POLLIN, 0},
                                pollfd{answers_.faults().descriptor(), POLLIN, 0}};
  for (;;) {
    WaitLimits limits = options_.limits;
    if (options_.idle && handles_ == 0) limits.deadline = Clock::now() + *options_.idle;
    auto ready = wait_ready(waiting, limits, "a question of the kernel");
    if (!ready && ready.error().code == Errc::TimedOut) {
      // Whoever has the folder as the working one uses it without a question.
      if (mounted.unmount()) return MountEnd::Idle;
      continue;
    }
    if (!ready && ready.error().code != Errc::Interrupted) return ready.error();
    if (!ready) return MountEnd::Stopped;
    if (waiting[1].revents != 0) tell_faults();
    if (waiting[0].revents != 0 && !mounted.serve_one()) return MountEnd::Unmounted;
  }
}

Result<MountEnd> StateMount::run(const PhysicalMap& map) {
  if (!FuseTree::is_available()) return FuseTree::mount({}, {}).error();
  auto folder = find_folder();
  if (!folder) return folder.error();
  auto tree = make_mounted_tree(file_, map, options_);
  if (!tree) return tree.error();
  tree_ = std::move(*tree);
  if (auto opened = answers_.open(file_, tree_, options_.image.threads); !opened) {
    return opened.error();
  }
  auto mounted = mount(*folder);
  if (!mounted) return mounted.error();
  if (options_.on_ready) options_.on_ready();
  auto end = serve(*mounted);
  Status gone = ok();
  if (!end || *end == MountEnd::Stopped) gone = mounted->detach();
  answers_.close();  // nobody answers any more what goes with the session
  tell_faults();
  if (end && !gone) return gone.error();
  return end;
}

}  // namespace

std::string_view name_of(MountEnd end) {
  switch (end) {
    case MountEnd::Unmounted:
      return "unmounted";
    case MountEnd::Idle:
      return "idle";
    case MountEnd::Stopped:
      break;
  }
  return "stopped";
}

bool can_mount_states() {
  return FuseTree::is_available();
}

Result<MountEnd> serve_state_mount(StateFile& file, const PhysicalMap& map,
                                   const StateMountOptions& options) {
  return StateMount(file, options).run(map);
}

}  // namespace vmstream
