// SPDX-License-Identifier: MIT
#include "guest/lazy/return_path.h"

#include <fmt/format.h>

#include <vmstream/text.h>
#include "base/byte_reader.h"

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

}  // namespace vmstream
