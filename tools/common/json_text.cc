// SPDX-License-Identifier: MIT
#include "common/json_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

namespace vmtools {

using nlohmann::ordered_json;

namespace {

constexpr std::array<std::string_view, 9> kWideNames = {
    "offset", "length", "size", "bytes", "total", "from", "to", "absent_pages", "block_pages"};
constexpr std::array<std::string_view, 6> kWideEndings = {"_offset", "_length",  "_size",
                                                          "_bytes",  "_address", "_ns"};
constexpr uint64_t kWideBytes = 8;

uint64_t number_or(const ordered_json& object, const char* key, uint64_t otherwise) {
  auto found = object.find(key);
  bool is_number = found != object.end() && found->is_number_integer();
  return is_number ? found->get<uint64_t>() : otherwise;
}

// Whether the integers in "value" have eight bytes each.
bool has_wide_value(const ordered_json& object) {
  uint64_t size = number_or(object, "size", kWideBytes);
  return size >= kWideBytes * std::max<uint64_t>(number_or(object, "array_len", 1), 1);
}

class JsonWriter {
 public:
  explicit JsonWriter(int indent) : indent_(indent) {}

  void write(const ordered_json& value) {
    if (value.is_object()) {
      write_object(value);
    } else if (value.is_array()) {
      write_list(value, [this](const ordered_json& element) { write(element); });
    } else if (value.is_number_unsigned()) {
      text_ += fmt::to_string(value.get<uint64_t>());
    } else {
      write_scalar(value);
    }
  }

  std::string take() { return std::move(text_); }

 private:
  void write_scalar(const ordered_json& value) {
    text_ += value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  }

  void write_object(const ordered_json& object) {
    open('{');
    for (const auto& [key, value] : object.items()) {
      write_key(key);
      write(value);
      if (key == "value" && has_wide_value(object)) write_hex("hex", value);
      if (is_wide_name(key)) write_hex(key + "_hex", value);
    }
    close('}', object.empty());
  }

  // Nothing where the value holds no integers.
  void write_hex(const std::string& key, const ordered_json& value) {
    auto write_text = [this](const ordered_json& integer) {
      text_ += fmt::format("\"{:#x}\"", integer.get<uint64_t>());
    };
    if (value.is_number_integer()) {
      write_key(key);
      write_text(value);
    } else if (value.is_array() && !value.empty() && value.front().is_number_integer()) {
      write_key(key);
      write_list(value, write_text);
    }
  }

  template <typename Write>
  void write_list(const ordered_json& list, const Write& write_element) {
    open('[');
    for (const auto& element : list) {
      next();
      write_element(element);
    }
    close(']', list.empty());
  }

  void write_key(const std::string& key) {
    next();
    write_scalar(key);
    text_ += indent_ < 0 ? ":" : ": ";
  }

  void open(char bracket) {
    text_ += bracket;
    ++depth_;
    is_first_ = true;
  }

  // In front of a member or element.
  void next() {
    if (!is_first_) text_ += ',';
    is_first_ = false;
    new_line();
  }

  void close(char bracket, bool is_empty) {
    --depth_;
    if (!is_empty) new_line();
    text_ += bracket;
    is_first_ = false;
  }

  void new_line() {
    if (indent_ < 0) return;
    text_ += '\n';
    text_.append(static_cast<size_t>(indent_) * static_cast<size_t>(depth_), ' ');
  }

  int indent_;
  int depth_ = 0;
  bool is_first_ = true;
  std::string text_;
};

}  // namespace

bool is_wide_name(std::string_view name) {
  return std::ranges::find(kWideNames, name) != kWideNames.end() ||
         std::ranges::any_of(kWideEndings, [&](auto ending) { return name.ends_with(ending); });
}

std::string json_text(const ordered_json& value, int indent) {
  JsonWriter writer(indent);
  writer.write(value);
  return writer.take();
}

double rounded(double seconds, int decimals) {
  double steps = std::pow(10, decimals);
  return std::round(seconds * steps) / steps;
}

uint64_t whole(double measured) {
  constexpr double kEnd = 18446744073709551616.0;  // 2^64
  if (!(measured > 0)) return 0;
  return measured < kEnd ? static_cast<uint64_t>(measured) : UINT64_MAX;
}

std::string date_text(int64_t seconds, char between) {
  constexpr int64_t kLast = 253'402'300'799;
  constexpr int64_t kFirst = -62'167'219'200;
  auto time = fmt::gmtime(static_cast<std::time_t>(std::clamp(seconds, kFirst, kLast)));
  return fmt::format("{:%Y-%m-%d}{}{:%H:%M:%S}", time, between, time);
}

}  // namespace vmtools
