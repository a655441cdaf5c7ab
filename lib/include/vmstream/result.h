// SPDX-License-Identifier: MIT
// A value or the reason why there is none. Expected failures travel this way; nothing throws.
#pragma once

#if __cplusplus < 202002L
#error "vmstream needs C++20: -std=c++20, or target_compile_features(... cxx_std_20)"
#endif

#include <utility>
#include <variant>

#include <vmstream/error.h>

namespace vmstream {

/// Either a T or an Error. Test it before use; dereferencing an error is undefined.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Success, or the reason of the failure.
using Status = Result<std::monostate>;

/// The Status of success.
inline Status ok() {
  return std::monostate{};
}

}  // namespace vmstream
