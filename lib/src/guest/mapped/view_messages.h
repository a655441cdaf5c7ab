// SPDX-License-Identifier: MIT
// What a view and those who have it say to each other: packets of a unix socket, between processes
// of one user.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/memory_view.h>
#include <vmstream/result.h>
#include "base/unique_fd.h"

namespace vmstream {

/// A packet: text, and descriptors of files.
struct ViewPacket {
  std::string text;
  std::vector<UniqueFd> files;
};

/// Without waiting: who does not read is not written to.
Status send_packet(int socket, std::string_view text, const std::vector<int>& files = {});
/// The next one; empty text where the other end is closed.
Result<ViewPacket> receive_packet(int socket, const WaitLimits& limits);
/// Whether one is there, or the end.
bool has_packet(int socket);

/// What the view is of: who joins must have read the same index.
std::string mark_of(const StateIndex& index);

// First the view says one of the two.
struct Welcome {
  int pid = 0;          ///< of the process that serves
  bool others = false;  ///< whether somebody has the view already
};
std::string welcome_text(const std::string& mark, const Welcome& welcome);
std::string failure_text(const Error& error);
/// Or the failure; or Errc::Refused for another file's view.
Result<Welcome> parse_welcome(std::string_view text, const std::string& mark);

/// "lost 3 4096 0|1 kind file-offset text", the block by its number.
struct LostNote {
  size_t block = 0;
  uint64_t offset = 0;
  bool is_old = false;
  Error error;
};
std::string lost_text(const LostNote& note);
std::optional<LostNote> parse_lost(std::string_view text);

inline constexpr std::string_view kCountsWanted = "counts";
std::string counts_text(const ViewCounts& counts);
std::optional<ViewCounts> parse_counts(std::string_view text);

}  // namespace vmstream
