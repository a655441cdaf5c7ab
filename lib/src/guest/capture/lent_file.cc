// SPDX-License-Identifier: MIT
#include "guest/capture/lent_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include "base/unique_fd.h"
#include "guest/monitor/query.h"

namespace vmstream {
namespace {

constexpr const char* kMark = "vmstream";

// QEMU takes a descriptor only for the way of access for which it was opened.
Result<UniqueFd> open_for_writing(const OutputFile& file, int how) {
  std::string name = fmt::format("/proc/self/fd/{}", file.descriptor());
  UniqueFd fd(::open(name.c_str(), O_WRONLY | O_CLOEXEC | how));
  if (fd.is_open()) return fd;
  if (how == O_DIRECT && errno == EINVAL) {
    return Error{Errc::Unsupported, "the output's file system has no direct I/O"};
  }
  return system_error("open the output for QEMU", errno);
}

Status check_regular(const OutputFile& file) {
  struct stat status {};
  if (::fstat(file.descriptor(), &status) == 0 && S_ISREG(status.st_mode)) return ok();
  return Error{Errc::Unsupported, "QEMU writes a mapped-ram file into a regular file only"};
}

// The number of the set, a new one unless it is given.
Result<uint64_t> add(QmpClient& qmp, const UniqueFd& fd, std::optional<uint64_t> set) {
  Json arguments{{"opaque", kMark}};
  if (set) arguments["fdset-id"] = *set;
  auto answer = qmp.execute("add-fd", to_text(arguments), fd.get());
  if (!answer) return answer.error();
  auto added = parse_object(*answer);
  auto number = added ? number_member(*added, "fdset-id") : std::nullopt;
  if (number) return *number;
  return Error{Errc::Environment, "QEMU does not say where it has put the output"};
}

QmpCommand to_remove(uint64_t set) {
  return {"remove-fd", {{"fdset-id", set}}};
}

bool is_ours(const Json& set) {
  const Json* fds = find_member(set, "fds");
  if (!fds || !fds->is_array()) return false;
  for (const Json& fd : *fds) {
    if (text_member(fd, "opaque") == kMark) return true;
  }
  return false;
}

}  // namespace

Result<LentFile> LentFile::lend(QmpClient& qmp, const OutputFile& file, bool direct_io) {
  if (auto regular = check_regular(file); !regular) return regular.error();
  auto buffered = open_for_writing(file, 0);
  if (!buffered) return buffered.error();
  auto set = add(qmp, *buffered, std::nullopt);
  if (!set) return set.error();
  if (direct_io) {
    auto direct = open_for_writing(file, O_DIRECT);
    if (!direct) return direct.error();
    if (auto added = add(qmp, *direct, *set); !added) return added.error();
  }
  return LentFile(*set);
}

std::string LentFile::uri() const {
  return fmt::format("file:/dev/fdset/{},offset=0", set_);
}

QmpCommand LentFile::way_back() const {
  return to_remove(set_);
}

void LentFile::take_back(QmpClient& qmp) {
  auto sets = ask(qmp, "query-fdsets");
  if (!sets || !sets->is_array()) return;
  for (const Json& set : *sets) {
    auto number = number_member(set, "fdset-id");
    if (!number || !is_ours(set)) continue;
    QmpCommand removal = to_remove(*number);
    [[maybe_unused]] auto removed = qmp.execute(removal.name, to_text(removal.arguments));
  }
}

}  // namespace vmstream
