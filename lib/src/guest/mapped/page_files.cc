// SPDX-License-Identifier: MIT
#include "guest/mapped/page_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "guest/migration/private_folder.h"
#include "pipeline/side_thread.h"

namespace vmstream {
namespace {

constexpr const char* kWayOut = "--map=copy needs none; it reads all of the memory first";

Error with_way_out(Error error) {
  if (error.code == Errc::Unsupported) error.hint = kWayOut;
  return error;
}

UniqueFd open_file(const std::string& folder, size_t file) {
  auto path = fmt::format("{}/{}", folder, file);
  return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

// The files are called by their numbers. Of the opens, those of this process do not count.
FuseTree::Setup tree_of(PageFiles::Setup setup) {
  FuseTree::Setup tree;
  for (uint64_t length : setup.lengths) {
    tree.nodes.push_back({.name = fmt::format("{}", tree.nodes.size()), .length = length});
  }
  tree.accepts_writers = true;
  tree.on_request = std::move(setup.on_request);
  if (!setup.on_use) return tree;
  tree.on_use = [own = setup.lengths.size(), on_use = std::move(setup.on_use)](uint64_t handles) {
    on_use(handles > own ? handles - own : 0);
  };
  return tree;
}

}  // namespace

struct PageFiles::State {
  std::optional<FuseTree> tree;
  std::vector<UniqueFd> files;
  std::vector<int> descriptors;
  SideThread server;

  ~State();
  Status open_files(const std::string& folder, size_t count);
};

// Once nobody has a file open the file system is gone, and the server with it.
PageFiles::State::~State() {
  files.clear();
  server.join();
}

// Once a question about a close was not understood, the kernel asks no more of them. Else a process
// that is killed while it serves its own files would wait for its own answer for ever.
Status PageFiles::State::open_files(const std::string& folder, size_t count) {
  open_file(folder, 0).reset();
  for (size_t file = 0; file < count; ++file) {
    UniqueFd opened = open_file(folder, file);
    if (!opened.is_open()) return system_error("FUSE: open a file of its own", errno);
    descriptors.push_back(opened.get());
    files.push_back(std::move(opened));
  }
  return ok();
}

PageFiles::PageFiles(std::unique_ptr<State> state) : state_(std::move(state)) {}
PageFiles::PageFiles(PageFiles&&) noexcept = default;
PageFiles::~PageFiles() = default;

Result<PageFiles> PageFiles::mount(Setup setup) {
  const size_t count = setup.lengths.size();
  auto made = PrivateFolder::create(::geteuid(), false);
  if (!made) return made.error();
  const std::string folder = made->place();
  if (::mkdir(folder.c_str(), 0700) != 0) return system_error("mkdir", errno);
  auto tree = FuseTree::mount(tree_of(std::move(setup)), folder);
  if (!tree) {
    ::rmdir(folder.c_str());
    return with_way_out(tree.error());
  }
  auto state = std::make_unique<State>();
  state->tree.emplace(std::move(*tree));
  state->server = SideThread([&tree = *state->tree] {
    while (tree.serve_one()) {
    }
  });
  auto opened = state->server.runs()
                    ? state->open_files(folder, count)
                    : Status(Error{Errc::Environment, "FUSE: no thread to serve the files"});
  auto detached = state->tree->detach();
  ::rmdir(folder.c_str());
  if (!detached) {
    [[maybe_unused]] auto* serving = state.release();  // until the process ends
    return with_way_out(detached.error());
  }
  if (!opened) return with_way_out(opened.error());
  return PageFiles(std::move(state));
}

const std::vector<int>& PageFiles::descriptors() const {
  return state_->descriptors;
}

}  // namespace vmstream
