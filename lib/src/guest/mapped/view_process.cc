// SPDX-License-Identifier: MIT
#include "guest/mapped/view_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "guest/mapped/held_requests.h"
#include "guest/mapped/page_answers.h"
#include "guest/mapped/page_files.h"
#include "guest/mapped/view_messages.h"
#include "io/peer_user.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr const char* kOomScore = "-500";  // what root may lower; others' stays

// One thread of the process, beside that of PageFiles and those of PageAnswers.
class ViewServer {
 public:
  ViewServer(const LazyFile& file, ViewProcess setup)
      : file_(file), listener_(std::move(setup.listener)), threads_(setup.threads) {
    clients_.push_back(std::move(setup.first));
  }

  void run();

 private:
  Status open();
  void welcome(const UniqueFd& client, bool others);
  void accept();
  void listen(UniqueFd& client);
  void tell_lost();
  bool wait();
  bool is_used() const { return opens_ > 0 || !clients_.empty(); }

  const LazyFile& file_;
  UniqueFd listener_;
  unsigned threads_;
  std::string mark_ = mark_of(file_.index());
  std::vector<UniqueFd> clients_;
  uint64_t opens_ = 0;
  std::vector<LostNote> lost_so_far_;
  HeldRequests held_;
  Mailbox<LostBytes> lost_;
  Mailbox<uint64_t> use_;
  std::unique_ptr<PageAnswers> answers_;
  std::optional<PageFiles> files_;
};

Status ViewServer::open() {
  if (!lost_.is_open() || !use_.is_open()) return system_error("eventfd", EMFILE);
  auto answers = PageAnswers::open(file_, threads_, lost_);
  if (!answers) return answers.error();
  answers_ = std::move(*answers);
  std::vector<uint64_t> lengths;
  for (const IndexedBlock& entry : file_.index().facts.blocks) {
    if (lengths.size() < MemoryView::kMostBlocks) lengths.push_back(entry.block.used_length);
  }
  auto files = PageFiles::mount(
      {.lengths = std::move(lengths),
       .on_request = [this](const PageRequest& request) { answers_->answer(request); },
       .on_use = [this](uint64_t opens) { use_.put(opens); }});
  if (!files) return files.error();
  files_.emplace(std::move(*files));
  return ok();
}

void ViewServer::welcome(const UniqueFd& client, bool others) {
  [[maybe_unused]] auto sent =
      send_packet(client.get(), welcome_text(mark_, {::getpid(), others}), files_->descriptors());
  for (LostNote note : lost_so_far_) {
    note.is_old = true;
    [[maybe_unused]] auto told = send_packet(client.get(), lost_text(note));
  }
}

void ViewServer::accept() {
  UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client.is_open()) return;
  auto user = get_unix_peer_user(client.get());
  if (!user || *user != ::geteuid()) return;
  welcome(client, true);
  clients_.push_back(std::move(client));
}

void ViewServer::listen(UniqueFd& client) {
  auto packet = receive_packet(client.get(), {});
  if (packet && packet->text == kCountsWanted) {
    [[maybe_unused]] auto sent = send_packet(client.get(), counts_text(answers_->counts()));
  } else if (!packet || packet->text.empty()) {
    client.reset();
  }
}

void ViewServer::tell_lost() {
  for (LostBytes& found : lost_.take()) {
    held_.hold(found.request);
    LostNote note{found.request.file, found.request.offset, false, std::move(found.error)};
    for (const UniqueFd& client : clients_) {
      [[maybe_unused]] auto told = send_packet(client.get(), lost_text(note));
    }
    lost_so_far_.push_back(std::move(note));
  }
}

// False where waiting makes no sense.
bool ViewServer::wait() {
  std::vector<pollfd> waiting{{listener_.get(), POLLIN, 0},
                              {lost_.descriptor(), POLLIN, 0},
                              {use_.descriptor(), POLLIN, 0}};
  size_t fixed = waiting.size();
  for (const UniqueFd& client : clients_) waiting.push_back({client.get(), POLLIN, 0});
  int patience = held_.empty() ? -1 : static_cast<int>(HeldRequests::kInterval.count());
  if (::poll(waiting.data(), waiting.size(), patience) < 0) return errno == EINTR;
  held_.let_the_killed_go();
  size_t known = clients_.size();
  if (waiting[0].revents != 0) accept();
  if (waiting[1].revents != 0) tell_lost();
  for (uint64_t opens : use_.take()) opens_ = opens;
  for (size_t i = 0; i < known; ++i) {
    if (waiting[fixed + i].revents != 0) listen(clients_[i]);
  }
  std::erase_if(clients_, [](const UniqueFd& client) { return !client.is_open(); });
  return true;
}

void ViewServer::run() {
  if (auto opened = open(); !opened) {
    [[maybe_unused]] auto told = send_packet(clients_[0].get(), failure_text(opened.error()));
    return;
  }
  welcome(clients_[0], false);
  while (is_used() && wait()) {
  }
}

bool is_alone() {
  std::error_code failed;
  std::filesystem::directory_iterator tasks("/proc/self/task", failed);
  return failed || std::distance(begin(tasks), end(tasks)) == 1;
}

// Those that were handed to the process that forked. The library's own are all close-on-exec.
void close_inherited() {
  std::vector<int> others;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", failed)) {
    int fd = static_cast<int>(std::strtol(entry.path().filename().c_str(), nullptr, 10));
    int flags = ::fcntl(fd, F_GETFD);
    if (fd > STDERR_FILENO && flags >= 0 && (flags & FD_CLOEXEC) == 0) others.push_back(fd);
  }
  for (int fd : others) ::close(fd);
}

// Its end is its own business; what it holds of the guest is nobody's.
void leave_family() {
  ::setsid();
  for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2}) {
    [[maybe_unused]] auto before = std::signal(number, SIG_IGN);
  }
  close_inherited();
  int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, fd);
  if (::chdir("/") != 0) return;
  ::prctl(PR_SET_NAME, "vmstream-view");
  std::ofstream("/proc/self/oom_score_adj") << kOomScore;
  rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace

Result<pid_t> start_view_process(const LazyFile& file, ViewProcess setup) {
  if (!is_alone()) return Error{Errc::Environment, "a process with threads starts no view"};
  pid_t child = ::fork();
  if (child < 0) return system_error("fork", errno);
  if (child > 0) return child;
  ::close(setup.others_end);
  leave_family();
  ViewServer(file, std::move(setup)).run();
  ::_exit(0);
}

}  // namespace vmstream
