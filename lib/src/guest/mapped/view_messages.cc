// SPDX-License-Identifier: MIT
#include "guest/mapped/view_messages.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <vmstream/digest.h>
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr size_t kMostFiles = 253;  // that Linux takes in one packet
constexpr size_t kMostTextBytes = 4096;
constexpr std::string_view kWelcome = "vmstream view 1 ";
constexpr std::string_view kFailed = "failed ";
constexpr std::string_view kLost = "lost ";
constexpr std::string_view kCounts = "counts ";
constexpr uint64_t kUnknown = UINT64_MAX;

// A number and the space behind it.
uint64_t take_number(std::string_view& text, bool& good) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  good = good && error == std::errc();
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  return number;
}

std::string error_text(const Error& error) {
  return fmt::format("{} {} {} {}\n{}", static_cast<unsigned>(error.code),
                     error.offset.value_or(kUnknown), error.file_offset.value_or(kUnknown),
                     error.message, error.hint);
}

Error take_error(std::string_view text, bool& good) {
  Error error;
  auto code = take_number(text, good);
  good = good && code <= static_cast<unsigned>(Errc::TimedOut);
  if (good) error.code = static_cast<Errc>(code);
  if (auto offset = take_number(text, good); offset != kUnknown) error.offset = offset;
  if (auto offset = take_number(text, good); offset != kUnknown) error.file_offset = offset;
  auto line = text.find('\n');
  error.message = text.substr(0, line);
  if (line != std::string_view::npos) error.hint = text.substr(line + 1);
  return error;
}

union FilesRoom {
  cmsghdr align;
  std::array<char, CMSG_SPACE(kMostFiles * sizeof(int))> bytes;
};

void take_files(msghdr& message, std::vector<UniqueFd>& files) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      files.emplace_back(fd);
    }
  }
}

}  // namespace

Status send_packet(int socket, std::string_view text, const std::vector<int>& files) {
  iovec bytes{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  FilesRoom room{};
  if (!files.empty()) {
    size_t size = files.size() * sizeof(int);
    message.msg_control = room.bytes.data();
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(part), files.data(), size);
  }
  ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? Status(system_error("send to a view", errno)) : ok();
}

Result<ViewPacket> receive_packet(int socket, const WaitLimits& limits) {
  if (auto ready = wait_ready(socket, POLLIN, limits, "the view"); !ready) return ready.error();
  ViewPacket packet;
  packet.text.resize(kMostTextBytes);
  iovec bytes{packet.text.data(), packet.text.size()};
  FilesRoom room{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = room.bytes.data();
  message.msg_controllen = room.bytes.size();
  ssize_t received = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (received < 0 && errno != ECONNRESET) return system_error("receive from a view", errno);
  packet.text.resize(received > 0 ? static_cast<size_t>(received) : 0);
  take_files(message, packet.files);
  return packet;
}

bool has_packet(int socket) {
  pollfd waiting{socket, POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

std::string mark_of(const StateIndex& index) {
  std::string text = fmt::format("{} {} {}", index.facts.plain_bytes, index.facts.sha256,
                                 index.facts.page_map_sha256);
  for (const IndexedBlock& entry : index.facts.blocks) {
    text += fmt::format(" {} {} {} {}", entry.block.name.size(), entry.block.name,
                        entry.block.used_length, fmt::join(entry.records, ","));
  }
  Sha256 digest;
  digest.update(std::as_bytes(std::span(text)));
  return digest.finish();
}

std::string welcome_text(const std::string& mark, const Welcome& welcome) {
  return fmt::format("{}{} {} {}", kWelcome, mark, welcome.pid, welcome.others ? 1 : 0);
}

std::string failure_text(const Error& error) {
  return fmt::format("{}{}", kFailed, error_text(error));
}

Result<Welcome> parse_welcome(std::string_view text, const std::string& mark) {
  bool good = true;
  if (text.starts_with(kFailed)) {
    Error error = take_error(text.substr(kFailed.size()), good);
    if (good) return error;
  }
  std::string expected = fmt::format("{}{} ", kWelcome, mark);
  if (!text.starts_with(expected)) {
    return Error{Errc::Refused, "the view that answers is of another file"};
  }
  text.remove_prefix(expected.size());
  Welcome welcome;
  welcome.pid = static_cast<int>(take_number(text, good));
  welcome.others = take_number(text, good) != 0;
  return welcome;
}

std::string lost_text(const LostNote& note) {
  return fmt::format("{}{} {} {} {}", kLost, note.block, note.offset, note.is_old ? 1 : 0,
                     error_text(note.error));
}

std::optional<LostNote> parse_lost(std::string_view text) {
  if (!text.starts_with(kLost)) return std::nullopt;
  text.remove_prefix(kLost.size());
  bool good = true;
  LostNote note;
  note.block = take_number(text, good);
  note.offset = take_number(text, good);
  note.is_old = take_number(text, good) != 0;
  note.error = take_error(text, good);
  return good ? std::optional(std::move(note)) : std::nullopt;
}

std::string counts_text(const ViewCounts& counts) {
  return fmt::format("{}{} {}", kCounts, counts.reads, counts.bytes);
}

std::optional<ViewCounts> parse_counts(std::string_view text) {
  if (!text.starts_with(kCounts)) return std::nullopt;
  text.remove_prefix(kCounts.size());
  bool good = true;
  ViewCounts counts;
  counts.reads = take_number(text, good);
  counts.bytes = take_number(text, good);
  return good ? std::optional(counts) : std::nullopt;
}

}  // namespace vmstream
