// SPDX-License-Identifier: MIT
// The digest that people compare.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <vmstream/result.h>

namespace vmstream {

/// SHA-256 over bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  /// 64 lower-case hexadecimal digits. Ends the computation.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
