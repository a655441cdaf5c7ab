// SPDX-License-Identifier: MIT
// Any bytes as what a monitor sends: greeting, answers, events. Beyond not crashing: it makes no
// difference how the bytes are cut into pieces, and the end of the connection ends every wait.
#include <vmstream/qmp.h>

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

namespace {

constexpr size_t kMostPieces = 64;  // what a socket holds is limited

/// A monitor that has said everything and listens no more. Records keep pieces apart.
struct Monitor {
  Monitor(std::span<const std::byte> bytes, size_t piece) {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    client.reset(ends[0]);
    server.reset(ends[1]);
    piece = std::max(piece, bytes.size() / kMostPieces + 1);
    while (!bytes.empty()) {
      auto part = bytes.first(std::min(piece, bytes.size()));
      require(::send(server.get(), part.data(), part.size(), MSG_DONTWAIT) ==
              static_cast<ssize_t>(part.size()));
      bytes = bytes.subspan(part.size());
    }
    ::shutdown(server.get(), SHUT_WR);
  }

  UniqueFd client;
  UniqueFd server;
};

// Of an error it is the fact that counts: its text may show what had come until then.
void note(std::vector<std::string>& heard, const Result<std::string>& answer) {
  heard.push_back(answer ? *answer : "error");
}

/// All that a client hears.
std::vector<std::string> listen(std::span<const std::byte> bytes, size_t piece) {
  Monitor monitor(bytes, piece);
  std::vector<std::string> heard;
  auto client = QmpClient::adopt(monitor.client.release());
  if (!client) return {"no session"};
  heard.push_back(client->qemu_version());
  note(heard, client->execute("query-status"));
  note(heard, client->execute("migrate", R"({"uri": "fd:stream"})"));
  note(heard, client->execute("query-migrate"));
  auto event = client->take_event();
  for (; event && *event; event = client->take_event()) {
    heard.push_back((*event)->name + ' ' + (*event)->data);
  }
  require(!event);  // the end of the connection
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  require(listen(input.bytes, 8192) == listen(input.bytes, input.piece));
  return 0;
}
