// SPDX-License-Identifier: MIT
#include <vmstream/gdb_stub.h>

#include <fmt/format.h>

#include "analysis/gdb_stub/packet_text.h"

namespace vmstream {
namespace {

constexpr char kEscape = '}';
constexpr char kEscaped = 0x20;
constexpr char kInterrupt = 3;

unsigned sum_of(std::string_view text) {
  unsigned sum = 0;
  for (char c : text) sum += static_cast<unsigned char>(c);
  return sum & 0xff;
}

std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    bool is_escape = text[i] == kEscape && i + 1 < text.size();
    plain += is_escape ? static_cast<char>(text[++i] ^ kEscaped) : text[i];
  }
  return plain;
}

std::string framed(std::string_view content) {
  std::string text;
  for (char c : content) {
    if (c == kEscape || c == '#' || c == '$' || c == '*') {
      text += kEscape;
      text += static_cast<char>(c ^ kEscaped);
    } else {
      text += c;
    }
  }
  return fmt::format("${}#{:02x}", text, sum_of(text));
}

}  // namespace

std::string GdbConnection::receive(std::string_view bytes) {
  std::string out;
  for (char byte : bytes) {
    if (stub_.has_ended()) break;
    take(byte, out);
  }
  return out;
}

void GdbConnection::take(char byte, std::string& out) {
  switch (place_) {
    case Place::Outside:
      if (byte == '$') {
        packet_.clear();
        is_too_long_ = false;
        place_ = Place::Inside;
      } else if (byte == '-' && acknowledges_) {
        out += last_;
      } else if (byte == kInterrupt) {
        out += last_ = framed(stub_.answer("?"));
      }
      return;
    case Place::Inside:
      if (byte == '#') {
        place_ = Place::FirstDigit;
      } else if (packet_.size() < GdbStub::kPacketBytes) {
        packet_ += byte;
      } else {
        is_too_long_ = true;
      }
      return;
    case Place::FirstDigit:
      digit_ = byte;
      place_ = Place::SecondDigit;
      return;
    case Place::SecondDigit: {
      place_ = Place::Outside;
      char digits[] = {digit_, byte};
      auto sum = parse_hex(std::string_view(digits, 2));
      bool is_sound = !is_too_long_ && sum && (*sum == sum_of(packet_) || !acknowledges_);
      if (acknowledges_) out += is_sound ? '+' : '-';
      if (is_sound) finish_packet(out);
      return;
    }
  }
}

void GdbConnection::finish_packet(std::string& out) {
  std::string content = unescaped(packet_);
  bool is_kill = content == "k";  // wants no answer
  std::string answer = stub_.answer(content);
  if (is_kill) return;
  if (content == "QStartNoAckMode") acknowledges_ = false;
  out += last_ = framed(answer);
}

}  // namespace vmstream
