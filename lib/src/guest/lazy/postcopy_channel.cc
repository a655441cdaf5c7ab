// SPDX-License-Identifier: MIT
#include "guest/lazy/postcopy_channel.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <vmstream/text.h>
#include "format/records/records.h"
#include "io/wait.h"

namespace vmstream {
namespace {

Status ask_for_bitmaps(PostcopyChannel& channel, const std::vector<ServedBlock>& blocks,
                       const WaitLimits& limits) {
  Bytes bytes;
  for (const ServedBlock& block : blocks) {
    Bytes name;
    if (auto done = append_counted_string(name, block.name); !done) return done;
    auto done = append_command(bytes, Command{.type = CommandType::RecvBitmap, .payload = name});
    if (!done) return done;
  }
  return channel.write_all(bytes, limits);
}

// QEMU writes them in words of 64 bits.
uint64_t largest_bitmap(const std::vector<ServedBlock>& blocks) {
  uint64_t most_pages = 0;
  for (const ServedBlock& block : blocks) most_pages = std::max(most_pages, block.pages);
  uint64_t words = most_pages / 64 + 1;
  return std::min(words * sizeof(uint64_t), ReturnPathReader::kMostBitmapBytes);
}

Status enter_bitmap(const ReturnMessage& message, const std::vector<ServedBlock>& blocks,
                    DeliveryLedger& ledger) {
  auto block = std::ranges::find(blocks, message.block, &ServedBlock::name);
  auto number = static_cast<size_t>(block - blocks.begin());
  if (block != blocks.end() && ledger.mark_received(number, *block, message.bitmap)) return ok();
  return Error{Errc::Environment,
               fmt::format("QEMU tells of {} bits for RAM block '{}', which the file does not have",
                           message.bitmap.size() * 8, escape(message.block))};
}

}  // namespace

Status PostcopyChannel::receive() {
  std::array<std::byte, 16384> buffer;
  ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count > 0) {
    reader_.append(std::span(buffer).first(static_cast<size_t>(count)));
    return ok();
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return ok();
  if (count < 0 && errno != ECONNRESET) return system_error("read the return path", errno);
  return Error{Errc::Environment, "QEMU closed the connection"};
}

Result<ReturnMessage> PostcopyChannel::await_message(const WaitLimits& limits) {
  for (;;) {
    auto message = take();
    if (!message) return message.error();
    if (*message) return std::move(**message);
    auto ready = wait_ready(socket_, POLLIN, limits, "QEMU's answer");
    if (!ready) return ready.error();
    if (auto received = receive(); !received) return received.error();
  }
}

Status recover_postcopy(PostcopyChannel& channel, const std::vector<ServedBlock>& blocks,
                        DeliveryLedger& ledger, const WaitLimits& limits) {
  channel.limit_bitmaps(largest_bitmap(blocks));
  if (auto asked = ask_for_bitmaps(channel, blocks, limits); !asked) return asked;
  for (size_t known = 0; known < blocks.size();) {
    auto message = channel.await_message(limits);
    if (!message) return message.error();
    if (message->type != ReturnType::ReceivedBitmap) continue;
    if (auto entered = enter_bitmap(*message, blocks, ledger); !entered) return entered;
    ++known;
  }
  Bytes resume;
  if (auto done = append_command(resume, Command{.type = CommandType::PostcopyResume}); !done) {
    return done;
  }
  if (auto said = channel.write_all(resume, limits); !said) return said;
  for (;;) {
    auto message = channel.await_message(limits);
    if (!message) return message.error();
    if (message->type == ReturnType::ResumeAck) return ok();
  }
}

}  // namespace vmstream
