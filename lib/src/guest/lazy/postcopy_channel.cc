// SPDX-License-Identifier: MIT
#include "guest/lazy/postcopy_channel.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <vmstream/text.h>
#include "base/byte_reader.h"
#include "format/records/records.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr uint64_t kBitmapEnd = 0x0123456789abcdef;

// The bytes of a bitmap stand behind its message.
void read_bitmap(ByteReader& in, ReturnMessage& message, uint64_t most_bytes) {
  auto size = in.be<uint64_t>("bitmap size");
  if (in.ok() && size > most_bytes) {
    in.fail(Errc::Malformed, in.last_offset(),
            fmt::format("a bitmap of {} bytes for block '{}', at most {} are taken", size,
                        escape(message.block), most_bytes));
  }
  auto bits = in.bytes(static_cast<size_t>(size), "bitmap");
  auto end = in.be<uint64_t>("bitmap end mark");
  if (in.ok() && end != kBitmapEnd) {
    in.fail(Errc::Malformed, in.last_offset(),
            fmt::format("bitmap ends with {:#x}, wanted {:#x}", end, kBitmapEnd));
  }
  message.bitmap.assign(bits.begin(), bits.end());
}

void read_body(ByteReader& in, ReturnMessage& message) {
  switch (message.type) {
    case ReturnType::Shut:
    case ReturnType::Pong:
    case ReturnType::ResumeAck:
      message.value = in.be<uint32_t>("value");
      return;
    case ReturnType::RequestBlockPages:
    case ReturnType::RequestPages:
      message.start = in.be<uint64_t>("start");
      message.length = in.be<uint32_t>("length");
      if (message.type == ReturnType::RequestBlockPages) message.block = in.counted_string("block");
      return;
    case ReturnType::ReceivedBitmap:
      message.block = in.counted_string("block");
      return;
    case ReturnType::SwitchoverAck:
      return;
  }
  in.fail(Errc::Malformed, in.last_offset(),
          fmt::format("unknown message {}", static_cast<unsigned>(message.type)));
}

ReturnMessage read_message(ByteReader& in, uint64_t most_bitmap_bytes) {
  ReturnMessage message;
  message.type = static_cast<ReturnType>(in.be<uint16_t>("message type"));
  auto length = in.be<uint16_t>("message length");
  ByteReader body(in.bytes(length, "message"), in.last_offset());
  if (!in.ok()) return message;
  read_body(body, message);
  if (!body.ok()) {
    in.fail(Errc::Malformed, body.error().offset.value_or(0), body.error().message);
  } else if (body.remaining() > 0) {
    in.fail(Errc::Malformed, body.offset(),
            fmt::format("message {} is {} bytes too long", static_cast<unsigned>(message.type),
                        body.remaining()));
  }
  if (in.ok() && message.type == ReturnType::ReceivedBitmap) {
    read_bitmap(in, message, most_bitmap_bytes);
  }
  return message;
}

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

void ReturnPathReader::append(std::span<const std::byte> bytes) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(taken_));
  taken_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<ReturnMessage>> ReturnPathReader::take() {
  ByteReader in{std::span<const std::byte>(buffer_).subspan(taken_)};
  ReturnMessage message = read_message(in, most_bitmap_bytes_);
  if (!in.ok() && in.error().code == Errc::Truncated) return std::optional<ReturnMessage>();
  if (!in.ok()) {
    return Error{Errc::Environment, "QEMU's return path: " + in.error().message};
  }
  if (message.type == ReturnType::RequestPages) message.block = last_block_;
  if (message.type == ReturnType::RequestBlockPages) last_block_ = message.block;
  taken_ = buffer_.size() - in.remaining();
  return std::optional(std::move(message));
}

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
