// SPDX-License-Identifier: MIT
// Any bytes, and valid streams with edits, through the guard of a restore. Whatever the mode, a
// QEMU of the target's own gets no device, command, disk or end before the source has ended well,
// and never what would start the guest by itself.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/byte_reader.h"
#include "fuzz_input.h"
#include "guest/restore/stream_guard.h"
#include "support/fake_qemu.h"
#include "support/stream_builder.h"

using namespace vmstream;
using fuzz::require;
using testing::StreamBuilder;

namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t kMostEdits = 32;
constexpr uint8_t kStructured = 0x80;  // in the byte that chooses the mode

struct Choice {
  RouteOptions options;
  bool structured = false;
};

Choice choose(uint8_t byte) {
  constexpr HoldBack kModes[] = {HoldBack::End, HoldBack::AllButMemory, HoldBack::AllUnsigned,
                                 HoldBack::AllButMemory};
  Choice choice;
  choice.options.hold_back = kModes[byte & 3];
  choice.options.write_disks = (byte & 4) != 0;
  if ((byte & 8) != 0) {
    choice.options.target = "x86_64";
    choice.options.ignores_shared = false;
  }
  choice.structured = (byte & kStructured) != 0;
  return choice;
}

// What an attacker would put somewhere into a stream.
std::string canned(uint8_t which) {
  StreamBuilder record;
  StreamBuilder run;
  run.command(5);
  switch (which % 12) {
    case 0:
      return run.as_text();
    case 1:
      return record.package(run).as_text();
    case 2:
      return record.eof().as_text();
    case 3:
      return record.device(20, "timer", "0123456789").as_text();
    case 4:
      return record.start(21, "block").be64(9).counted("d0").be64(2).footer().as_text();
    case 5:
      return record.command(3, testing::advice_payload(8192)).as_text();
    case 6:
      return record.command(3).as_text();
    case 7:
      return record.part(2).page("pc.ram", 0x2000, 1, 8192).eos().footer().as_text();
    case 8:
      return record.part(2).eos().footer().as_text();
    case 9:
      return record.page_bits(13).as_text();
    case 10:
      return record.start(22, "unheard/of").text("abc").footer().as_text();
    default:
      return record.command(8).as_text();
  }
}

// An edit: a kind, a place, an argument.
void edit(Bytes& stream, ByteReader& in) {
  auto kind = in.be<uint8_t>("kind");
  size_t at = in.be<uint16_t>("place") % (stream.size() + 1);
  auto argument = in.be<uint8_t>("argument");
  if (!in.ok()) return;
  auto place = stream.begin() + static_cast<ptrdiff_t>(at);
  size_t left = stream.size() - at;
  switch (kind % 5) {
    case 0:
      if (left > 0) *place = std::byte{argument};
      return;
    case 1:
      stream.insert(place, std::byte{argument});
      return;
    case 2:
      stream.erase(place, place + static_cast<ptrdiff_t>(std::min<size_t>(left, argument)));
      return;
    case 3: {
      std::string text = canned(argument);
      auto bytes = std::as_bytes(std::span(text));
      stream.insert(place, bytes.begin(), bytes.end());
      return;
    }
    default:
      stream.resize(argument % 4 == 0 ? at : stream.size());
  }
}

Bytes edited(std::span<const std::byte> edits) {
  ByteReader in(edits);
  auto base = in.be<uint8_t>("base");
  Bytes stream = (base % 2 == 0 ? testing::postcopy_stream() : testing::small_stream()).bytes();
  for (size_t i = 0; i < kMostEdits && in.ok() && in.remaining() > 0; ++i) edit(stream, in);
  return stream;
}

// Looks for commands that no restore hands on.
class Commands final : public StreamVisitor {
 public:
  Status on_command(const Command& command) override {
    auto place = place_of_command(command);
    require(place == CommandPlace::Aside || place == CommandPlace::Harmless);
    return ok();
  }
};

void guard(std::span<const std::byte> bytes, const RouteOptions& options, size_t piece) {
  Bytes handed;
  auto sink = make_memory_sink(handed);
  int decisions = 0;
  StreamGuard guard(*sink, options, {}, [&] { ++decisions; });
  bool good = true;
  for (; good && !bytes.empty(); bytes = bytes.subspan(std::min(piece, bytes.size()))) {
    good = static_cast<bool>(guard.feed(bytes.first(std::min(piece, bytes.size()))));
  }
  if (options.hold_back != HoldBack::End) {
    require(decisions == 0);
    require(testing::harm_of(handed, options.hold_back == HoldBack::AllButMemory,
                             options.ignores_shared.has_value())
                .empty());
  }
  size_t early = handed.size();
  good = good && guard.finish();
  require(good ? decisions == 1 : handed.size() == early);
  Commands commands;
  auto source = make_memory_source(handed);
  [[maybe_unused]] auto parsed = parse_stream(*source, commands);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Choice choice = choose(data[0]);
  fuzz::Input input(data + 1, size - 1);
  Bytes stream(input.bytes.begin(), input.bytes.end());
  if (choice.structured) stream = edited(input.bytes);
  guard(stream, choice.options, input.piece * (choice.structured ? 64 : 1));
  return 0;
}
