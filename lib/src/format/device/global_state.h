// SPDX-License-Identifier: MIT
// The section "globalstate": in which run state a guest was saved.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <vmstream/visitor.h>

namespace vmstream {

inline constexpr std::string_view kGlobalState = "globalstate";
inline constexpr size_t kGlobalStateBytes = 104;

struct GlobalState {
  std::string run_state;         ///< QEMU's own word, such as "running"
  bool suspended_known = false;  ///< the layout since QEMU 9.0, with room for one more flag

  /// Whether QEMU starts the guest after the load; releases before 9.0 leave a suspended one alone.
  bool starts() const { return run_state == "running" || run_state == "suspended"; }
};

bool is_global_state(const SectionHeader& section);

/// `body` is that of the section, up to its footer. Nothing where QEMU would not take it.
std::optional<GlobalState> read_global_state(std::span<const std::byte> body);

}  // namespace vmstream
