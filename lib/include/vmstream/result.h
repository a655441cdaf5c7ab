// SPDX-License-Identifier: MIT
// A value or the reason why there is none. Expected failures travel this way; nothing throws. As
// every other header includes this one, the library's version stands here too.
#pragma once

#if __cplusplus < 202002L
#error "vmstream needs C++20: -std=c++20, or target_compile_features(... cxx_std_20)"
#endif

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace vmstream {

/// The version of this library, such as "0.1.0".
std::string_view version();

/// The kind of a failure. It decides what a caller does next, and the exit status of the tools.
enum class Errc {
  Environment,  ///< I/O, permission, memory, QMP, a pipeline stage: the world, not the stream
  Usage,        ///< the caller asked for something that makes no sense
  Malformed,    ///< bytes that no QEMU and no codec would have written, or a failed checksum
  Truncated,    ///< the input ends before the stream does
  Unsupported,  ///< valid, but outside of what this library can do
  Refused,      ///< not done for safety's sake, such as overwriting a file
  Interrupted,  ///< a Cancellation was requested
  TimedOut,     ///< a deadline passed
};

/// One failure. A plain value: copy it, keep it, print it.
///
/// `message` starts in lower case and has no full stop and no tool or file name; it gives the value
/// found and the value wanted. Text that came from a stream, a monitor or a command is already
/// escaped. `hint`, where not empty, says what to try.
struct Error {
  Errc code = Errc::Environment;
  std::string message;
  std::optional<uint64_t> offset = std::nullopt;       ///< in the plain (uncompressed) stream
  std::optional<uint64_t> file_offset = std::nullopt;  ///< in the file on disk, where that differs
  std::string hint = {};
};

/// Whether the bytes of a stream are at fault, and not the world around it (I/O, interruption) or
/// who asked.
bool is_stream_fault(const Error& error);

/// An Errc::Environment error for a failed system call: "`what`: strerror(`error_number`)".
Error system_error(std::string what, int error_number);

/// "offset 0x…: message" or "file offset 0x…: message", whichever is known.
std::string describe(const Error& error);

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
