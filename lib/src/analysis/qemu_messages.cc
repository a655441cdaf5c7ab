// SPDX-License-Identifier: MIT
// QEMU's messages name sections and fields but give no offsets. Each is taken apart by a pattern in
// which * stands for what varies, and what it names is looked up in the stream.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/device_walk.h"
#include "analysis/load_findings.h"

#include <vmstream/text.h>

namespace vmstream::analysis {
namespace {

using Words = std::vector<std::string>;

// The texts that the stars of `pattern` stand for, wherever in `message` it begins. A star at the
// end takes the rest of the line.
std::optional<Words> match(std::string_view pattern, std::string_view message) {
  Words words;
  size_t star = pattern.find('*');
  size_t at = message.find(pattern.substr(0, star));
  if (at == std::string_view::npos) return std::nullopt;
  at += std::min(star, pattern.size());
  while (star != std::string_view::npos) {
    pattern.remove_prefix(star + 1);
    star = pattern.find('*');
    auto literal = pattern.substr(0, star);
    size_t end = literal.empty() ? std::min(message.find_first_of("\n\r", at), message.size())
                                 : message.find(literal, at);
    if (end == std::string_view::npos) return std::nullopt;
    words.emplace_back(message.substr(at, end - at));
    at = end + literal.size();
  }
  return words;
}

std::string first_word(const std::string& text) {
  return text.substr(0, text.find(' '));
}

std::optional<uint32_t> number(const std::string& text) {
  std::string digits = first_word(text);
  while (!digits.empty() && (digits.back() == '.' || digits.back() == ',')) digits.pop_back();
  auto value = parse_size(digits);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::string hex_of(std::span<const std::byte> bytes) {
  constexpr size_t kShown = 16;
  auto front = bytes.first(std::min(kShown, bytes.size()));
  return fmt::format("{:02x}{}", fmt::join(front, " "), bytes.size() > kShown ? " …" : "");
}

class Explainer {
 public:
  explicit Explainer(const LoadFindings& found) : found_(found) {}

  void unknown_section(const Words& words) {
    auto instance = number(words[1]);
    for (const auto& device : found_.devices.devices()) {
      if (!is(device.header, words[0], instance)) continue;
      say(device.header.offset,
          fmt::format("The section '{}' instance {} (version {}) begins here, {} bytes long. The "
                      "destination has no such device: start it with the device that the source "
                      "had, in the same slot.",
                      escape(words[0]), device.header.instance_id, device.header.version_id,
                      device.end.end_offset - device.header.offset));
    }
    for (const auto& iterable : found_.summary.iterables) {
      if (!is(iterable.start, words[0], instance)) continue;
      say(iterable.start.offset,
          fmt::format("The section '{}' starts here. The destination has nothing of that name: a "
                      "capability or a device is missing.",
                      escape(words[0])));
    }
    not_found(
        fmt::format("section '{}' instance {}", escape(words[0]), escape(first_word(words[1]))));
  }

  void footer(const Words& words) {
    for (const auto& device : found_.devices.devices()) {
      if (!is(device.header, words[0], {}) && !is(device.header, first_word(words[0]), {}))
        continue;
      say(device.end.end_offset,
          fmt::format(
              "The section '{}' instance {} ends here. The destination did not find the "
              "footer where it stopped reading, so that it takes more or fewer bytes than "
              "the {} of the body at {:#x}: its version or options of this device differ{}.",
              escape(words[0]), device.header.instance_id, device.end.body_length,
              device.header.body_offset,
              device.end.footer ? "" : "; the stream has no footer there at all"));
    }
    say_iterable(words[0],
                 "The destination did not find a footer at the end of a slice of this "
                 "section, which starts here");
    not_found(fmt::format("section '{}'", escape(words[0])));
  }

  void loading(const Words& words) {
    auto instance = number(words[0]);
    std::string idstr = words[1];
    for (const auto& device : found_.devices.devices()) {
      if (!is(device.header, idstr, instance)) continue;
      say(device.header.offset,
          fmt::format("Loading failed in the section '{}' instance {} version {}; its body is {} "
                      "bytes from {:#x} on: {}.",
                      escape(idstr), device.header.instance_id, device.header.version_id,
                      device.end.body_length, device.header.body_offset, hex_of(device.body)));
    }
    say_iterable(idstr, "Loading failed in this section, which starts here");
    not_found(fmt::format("section '{}' instance {}", escape(idstr), escape(words[0])));
  }

  void block_length(const Words& words) {
    auto block = find_block(words[0]);
    if (block == nullptr) {
      not_found(fmt::format("RAM block '{}'", escape(words[0])));
      return;
    }
    say(block->offset,
        fmt::format("The entry of RAM block '{}' stands here, its length {:#x} ({}) at {:#x}. The "
                    "destination has it with another length: give it the memory size (-m), or the "
                    "firmware or device ROM, of the source.",
                    escape(block->name), block->used_length, format_size(block->used_length),
                    block->offset + 1 + block->name.size()));
  }

  void unknown_block(const Words& words) {
    auto block = find_block(words[0]);
    if (block == nullptr) {
      not_found(fmt::format("RAM block '{}'", escape(words[0])));
      return;
    }
    say(block->offset, fmt::format("The entry of RAM block '{}' ({} bytes) stands here. The "
                                   "destination has no such block: the device or memory backend "
                                   "that brings it is missing.",
                                   escape(block->name), block->used_length));
  }

  void machine(const Words& words) {
    const auto& configuration = found_.summary.configuration;
    if (!configuration) {
      not_found("configuration");
      return;
    }
    say(configuration->offset,
        fmt::format("The stream names the machine type '{}' at {:#x}, but the destination was "
                    "started as '{}': use -machine {}.",
                    escape(configuration->machine), configuration->offset + 5, escape(words[1]),
                    escape(configuration->machine)));
  }

  void description(const Words& words) {
    say(found_.summary.vmdesc ? std::optional(found_.vmdesc_offset) : std::nullopt,
        fmt::format(
            "The destination expects the description behind EOF and found {}. The stream {} "
            "one. The guest is loaded all the same; only the message is printed.",
            escape(words[0]), found_.summary.vmdesc ? "has" : "has not"));
  }

  void version(const Words& words) {
    for (const auto& device : found_.devices.devices()) {
      if (!is(device.header, words[1], {})) continue;
      say(device.header.body_offset - 4,
          fmt::format("The section '{}' at {:#x} has version {}, given here; the destination knows "
                      "versions up to {}: it is older than the source.",
                      escape(words[1]), device.header.offset, device.header.version_id,
                      escape(first_word(words[2]))));
    }
    say_iterable(words[1],
                 "The version of this section, which starts here, is newer than the "
                 "destination's");
    not_found(fmt::format("section '{}'", escape(words[1])));
  }

  // The declaration may be that of a device, a struct in it or a subsection.
  void field(const Words& words) {
    if (!found_.vmdesc) {
      say(std::nullopt,
          "The stream has no description, so that the place of a field cannot be told.");
      return;
    }
    for (const auto& device : found_.devices.devices()) {
      const auto* described = found_.vmdesc->find(device.header.idstr, device.header.instance_id);
      if (described == nullptr || described->body_length() != device.body.size()) continue;
      walk_body(*described, device.body, [&](const BodyPart& part) {
        if (part.owner != words[0] || part.name != words[1]) return;
        auto bytes =
            std::span<const std::byte>(device.body)
                .subspan(static_cast<size_t>(part.offset), static_cast<size_t>(part.length));
        say(device.header.body_offset + part.offset,
            fmt::format(
                "The field '{}' ({}, {} bytes) of the section '{}' instance {} stands here: "
                "{}. The destination refused this value, or the fields in front of it "
                "are not the ones it expects.",
                escape(part.path), escape(part.type), part.length, escape(device.header.idstr),
                device.header.instance_id, hex_of(bytes)));
      });
    }
    not_found(fmt::format("field '{}' of '{}'", escape(words[1]), escape(words[0])));
  }

  void general(const Words& words) {
    std::string reason = words[0];
    say(std::nullopt,
        fmt::format("This line alone tells only the kind of error ({}). The line that QEMU prints "
                    "before it names the section.",
                    escape(reason)));
  }

  std::vector<Advice> take() { return std::move(advice_); }

 private:
  static bool is(const SectionHeader& header, const std::string& idstr,
                 std::optional<uint32_t> instance) {
    return header.idstr == idstr && (!instance || *instance == header.instance_id);
  }

  const RamBlock* find_block(const std::string& name) const {
    const auto& blocks = found_.summary.blocks;
    auto place = std::ranges::find_if(
        blocks, [&](const RamBlockSummary& summary) { return summary.block.name == name; });
    return place == blocks.end() ? nullptr : &place->block;
  }

  void say(std::optional<uint64_t> offset, std::string text) {
    constexpr size_t kMostPlaces = 64;
    if (advice_.size() < kMostPlaces) {
      advice_.push_back({AdviceKind::Note, offset, std::move(text)});
    }
  }

  void say_iterable(const std::string& idstr, std::string_view text) {
    for (const auto& iterable : found_.summary.iterables) {
      if (iterable.start.idstr == idstr) {
        say(iterable.start.offset,
            fmt::format("{}: '{}' (id {}, version {}).", text, escape(idstr),
                        iterable.start.section_id, iterable.start.version_id));
      }
    }
  }

  void not_found(std::string_view what) {
    if (!advice_.empty()) return;
    say(std::nullopt, fmt::format("The message speaks of {}, which is not in this stream: it is of "
                                  "another file, or of damage in front of it.",
                                  what));
  }

  const LoadFindings& found_;
  std::vector<Advice> advice_;
};

struct Message {
  std::string_view pattern;
  void (Explainer::*explain)(const Words&);
};

// Those of several releases; the more telling ones first.
constexpr std::array kMessages{
    Message{"Failed to load *:*", &Explainer::field},
    Message{"Unknown savevm section or instance '*' *", &Explainer::unknown_section},
    Message{"unsupported version * for '*' v*", &Explainer::version},
    Message{"Missing section footer for *", &Explainer::footer},
    Message{"Mismatched section id in footer for *", &Explainer::footer},
    Message{"error while loading state for instance * of device '*'", &Explainer::loading},
    Message{"Length mismatch: *: ", &Explainer::block_length},
    Message{"Size mismatch: *: ", &Explainer::block_length},
    Message{"Unknown ramblock \"*\"", &Explainer::unknown_block},
    Message{"Unknown ramblock *", &Explainer::unknown_block},
    Message{"Machine type received is '*' and local is '*'", &Explainer::machine},
    Message{"Expected vmdescription section, but got *", &Explainer::description},
    Message{"load of migration failed: *", &Explainer::general},
};

}  // namespace

std::vector<Advice> explain_message(const LoadFindings& found, std::string_view message) {
  Explainer explainer(found);
  for (const Message& known : kMessages) {
    auto words = match(known.pattern, message);
    if (!words) continue;
    (explainer.*known.explain)(*words);
    return explainer.take();
  }
  return {};
}

}  // namespace vmstream::analysis
