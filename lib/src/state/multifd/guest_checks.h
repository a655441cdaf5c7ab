// SPDX-License-Identifier: MIT
// What is wrong with the parts of a multifd guest together, once each of them has been read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <vmstream/multifd_guest.h>

#include "state/multifd/channel_checks.h"

namespace vmstream {

/// What MultifdGuest is made of, for those who read the channels side by side: common().main is
/// shown the main stream, and each channel gets a ChannelChecks.
class GuestChecks {
 public:
  /// `most_set_bytes`: of memory to know which pages came.
  explicit GuestChecks(uint64_t most_set_bytes) : common_{.main = MainFacts(most_set_bytes)} {}

  CommonFacts& common() { return common_; }

  /// Before a channel is read, and behind the list of RAM blocks. Errc::Unsupported where it cannot
  /// be understood by what is known.
  Status begin_channel();
  /// Once, when all has been read.
  MultifdFindings finish(std::vector<MultifdChannel> channels);

 private:
  void check_ids();
  void check_syncs();
  void check_numbers();
  void check_pages();
  void check_block(const SentBlock& block);
  uint64_t most_syncs() const;
  void tell(std::string message, LoadEffect effect = LoadEffect::Depends);

  CommonFacts common_;
  MultifdFindings findings_;
};

}  // namespace vmstream
