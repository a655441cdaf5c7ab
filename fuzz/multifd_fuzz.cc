// SPDX-License-Identifier: MIT
// Any bytes as a page channel of a small guest whose other parts are whole.
// Beyond not crashing: what is told of a channel does not depend on the size of its pieces, no
// packet speaks of more than a packet holds, and data has the length that its header gave. Joined
// with the other parts, as a page channel or as the second connection of a postcopy migration, it
// gives an error or a stream that can be parsed.
#include <vmstream/multifd_guest.h>
#include <vmstream/stream_scan.h>
#include "format/multifd/multifd.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuzz_input.h"
#include "state/multifd/joined_source.h"
#include "support/channel_builder.h"

using namespace vmstream;
using fuzz::require;

namespace {

class PacketChecks final : public MultifdVisitor {
 public:
  Status on_packet(const MultifdPacket& packet) override {
    require(left_ == 0);
    require(packet.pages.size() + packet.zeros.size() <= 128);
    require(packet.block.size() <= 256 && packet.device.size() <= 256);
    left_ = packet.data_bytes;
    return ok();
  }
  Status on_data(uint64_t, std::span<const std::byte> bytes) override {
    require(!bytes.empty() && bytes.size() <= left_);
    left_ -= bytes.size();
    return ok();
  }
  Status on_packet_end(uint64_t) override {
    require(left_ == 0);
    return ok();
  }

 private:
  uint64_t left_ = 0;
};

void read_packets(const fuzz::Input& input) {
  PacketChecks checks;
  MultifdReader reader(checks, testing::ChannelBuilder::kPageBytes);
  auto fed = reader.feed(input.bytes);
  if (fed) [[maybe_unused]]
    auto ended = reader.finish();
  require(reader.offset() <= input.bytes.size());
}

// Data that is too long and damaged as well is called the one or the other, as the pieces fall.
std::string in_short(const std::string& message) {
  bool of_data = message.find("unpacks to") != std::string::npos ||
                 message.find("stream of the channel") != std::string::npos;
  return of_data ? "data" : message;
}

// What is wrong, in words.
std::vector<std::string> judge(const fuzz::Input& input, size_t piece) {
  static auto main = testing::multifd_main();
  static const auto other = testing::multifd_channel(0);
  MultifdGuest guest;
  auto stream = make_memory_source(main.bytes());
  scan_stream(*stream, guest.main_visitor());
  auto first = make_memory_source(other);
  require(static_cast<bool>(guest.read_channel(*first)));
  fuzz::PieceSource second(input.bytes, piece);
  require(static_cast<bool>(guest.read_channel(second)));
  auto found = guest.finish();
  require(found.channels.size() == 2);
  require(found.channels[1].plain_bytes == input.bytes.size());
  std::vector<std::string> told;
  for (const Problem& problem : found.channels[1].problems.kept()) {
    told.push_back(in_short(problem.message));
  }
  for (const Problem& problem : found.problems.kept()) told.push_back(problem.message);
  return told;
}

enum class Kind { PageChannel, Preempt };

std::optional<std::vector<std::byte>> join(const fuzz::Input& input, Kind kind, size_t piece) {
  static auto main = testing::multifd_main();
  static const auto other = testing::multifd_channel(0);
  GuestPart part{"input", std::make_unique<fuzz::PieceSource>(input.bytes, piece)};
  JoinedParts parts{.main = {"main", make_memory_source(main.bytes())}};
  if (kind == Kind::Preempt) {
    parts.preempt_channel = std::move(part);
  } else {
    parts.page_channels.push_back({"other", make_memory_source(other)});
    parts.page_channels.push_back(std::move(part));
  }
  auto joined = make_joined_source(std::move(parts));
  std::vector<std::byte> stream;
  for (;;) {
    auto bytes = joined->next();
    if (!bytes) return std::nullopt;
    if (bytes->empty()) return stream;
    stream.insert(stream.end(), bytes->begin(), bytes->end());
  }
}

void check_join(const fuzz::Input& input, Kind kind) {
  auto joined = join(input, kind, std::max<size_t>(input.bytes.size(), 1));
  require(joined == join(input, kind, input.piece));
  if (!joined) return;
  StreamVisitor ignored;
  auto source = make_memory_source(*joined);
  require(static_cast<bool>(parse_stream(*source, ignored)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  read_packets(input);
  check_join(input, Kind::PageChannel);
  check_join(input, Kind::Preempt);
  require(judge(input, std::max<size_t>(input.bytes.size(), 1)) == judge(input, input.piece));
  return 0;
}
