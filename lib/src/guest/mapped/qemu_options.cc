// SPDX-License-Identifier: MIT
#include "guest/mapped/qemu_options.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include <vmstream/text.h>

namespace vmstream {
namespace {

// Options of QEMU, up to 11, that stand without a value. All others have one.
constexpr std::array<std::string_view, 40> kWithoutValue = {"h",
                                                            "help",
                                                            "version",
                                                            "mem-prealloc",
                                                            "audio-help",
                                                            "snapshot",
                                                            "usb",
                                                            "nographic",
                                                            "portrait",
                                                            "full-screen",
                                                            "no-frame",
                                                            "alt-grab",
                                                            "ctrl-grab",
                                                            "no-quit",
                                                            "sdl",
                                                            "curses",
                                                            "win2k-hack",
                                                            "no-fd-bootchk",
                                                            "no-acpi",
                                                            "no-hpet",
                                                            "singlestep",
                                                            "preconfig",
                                                            "S",
                                                            "s",
                                                            "enable-kvm",
                                                            "xen-attach",
                                                            "xen-domid-restrict",
                                                            "no-reboot",
                                                            "no-shutdown",
                                                            "daemonize",
                                                            "only-migratable",
                                                            "nodefaults",
                                                            "no-user-config",
                                                            "nouserconfig",
                                                            "semihosting",
                                                            "old-param",
                                                            "async-teardown",
                                                            "enable-sync-profile",
                                                            "perfmap",
                                                            "jitdump"};

bool has_value(std::string_view name) {
  return std::ranges::find(kWithoutValue, name) == kWithoutValue.end();
}

// As far as the next comma that is not doubled.
std::string take_item(std::string_view& text) {
  std::string item;
  while (!text.empty()) {
    char c = text.front();
    text.remove_prefix(1);
    if (c == ',') {
      if (!text.starts_with(',')) break;
      text.remove_prefix(1);
    }
    item += c;
  }
  return item;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
  return to_text(value);
}

std::string with_commas_doubled(std::string_view text) {
  std::string doubled;
  for (char c : text) doubled.append(c == ',' ? 2 : 1, c);
  return doubled;
}

}  // namespace

Result<std::vector<QemuOption>> read_qemu_options(const std::vector<std::string>& argv) {
  std::vector<QemuOption> options;
  for (size_t i = 1; i < argv.size(); ++i) {
    std::string_view word = argv[i];
    if (!word.starts_with('-') || word == "-") {
      options.push_back({.name = {}, .value = argv[i]});
      continue;
    }
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    QemuOption option{.name = std::string(word)};
    if (has_value(option.name)) {
      if (++i == argv.size()) {
        return Error{Errc::Usage, "the command for QEMU ends behind -" + escape(option.name)};
      }
      option.value = argv[i];
    }
    options.push_back(std::move(option));
  }
  return options;
}

std::vector<std::string> to_words(const std::string& program,
                                  const std::vector<QemuOption>& options) {
  std::vector<std::string> words = {program};
  for (const QemuOption& option : options) {
    if (!option.name.empty()) words.push_back("-" + option.name);
    if (option.value) words.push_back(*option.value);
  }
  return words;
}

OptionValue OptionValue::parse(std::string_view text, std::string_view implied) {
  OptionValue value;
  if (text.starts_with('{')) value.json_ = parse_object(text);
  if (value.json_) {
    for (const auto& member : value.json_->items()) {
      value.items_.emplace_back(member.key(), text_of(member.value()));
    }
    return value;
  }
  bool first = true;
  while (!text.empty()) {
    std::string item = take_item(text);
    size_t equals = item.find('=');
    if (equals != std::string::npos) {
      value.items_.emplace_back(item.substr(0, equals), item.substr(equals + 1));
    } else if (first && !implied.empty()) {
      value.items_.emplace_back(std::string(implied), std::move(item));
    } else {
      value.items_.emplace_back(std::move(item), std::nullopt);
    }
    first = false;
  }
  return value;
}

std::optional<std::string> OptionValue::get(std::string_view key) const {
  for (size_t i = items_.size(); i-- > 0;) {
    if (items_[i].first == key) return items_[i].second.value_or("on");
  }
  return std::nullopt;
}

void OptionValue::set(std::string_view key, std::string_view value) {
  erase(key);
  items_.emplace_back(std::string(key), std::string(value));
}

void OptionValue::erase(std::string_view key) {
  std::erase_if(items_, [key](const auto& item) { return item.first == key; });
}

std::string OptionValue::text() const {
  std::string text;
  for (const auto& [key, value] : items_) {
    if (!text.empty()) text += ',';
    text += key;
    if (value) text += '=' + with_commas_doubled(*value);
  }
  return text;
}

std::optional<uint64_t> read_qemu_size(std::string_view text, uint64_t unit) {
  std::string number(text);
  char* end = nullptr;
  bool is_hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  double value = is_hexadecimal ? static_cast<double>(std::strtoull(number.c_str(), &end, 16))
                                : std::strtod(number.c_str(), &end);
  if (end == number.c_str() || !(value >= 0)) return std::nullopt;
  constexpr std::string_view kLetters = "BKMGTPE";
  std::string_view rest = end;
  if (rest.size() > 1) return std::nullopt;
  if (rest.size() == 1) {
    size_t power = kLetters.find(static_cast<char>(rest[0] & ~0x20));
    if (power == std::string_view::npos) return std::nullopt;
    unit = uint64_t{1} << (10 * power);
  }
  double bytes = value * static_cast<double>(unit);
  if (!(bytes < 0x1p63)) return std::nullopt;
  return static_cast<uint64_t>(std::llround(bytes));
}

}  // namespace vmstream
