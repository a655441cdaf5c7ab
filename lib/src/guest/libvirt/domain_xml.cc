// SPDX-License-Identifier: MIT
#include "guest/libvirt/domain_xml.h"

#include <algorithm>
#include <optional>

namespace vmstream {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

struct Tag {
  std::string_view name;        // of an end tag with its slash: "/disk"
  std::string_view attributes;  // all of them
};

// Gives the tags in a row. What is no tag (text, comments, CDATA) is passed over; after what is cut
// nothing comes.
class TagScanner {
 public:
  explicit TagScanner(std::string_view xml) : rest_(xml) {}

  std::optional<Tag> next() {
    while (skip_until("<")) {
      if (rest_.starts_with("!--")) {
        skip_until("-->");
      } else if (rest_.starts_with("![CDATA[")) {
        skip_until("]]>");
      } else if (rest_.starts_with("?") || rest_.starts_with("!")) {
        skip_until(">");
      } else {
        return read_tag();
      }
    }
    return std::nullopt;
  }

 private:
  // Behind the next `mark`; false where there is none.
  bool skip_until(std::string_view mark) {
    size_t at = rest_.find(mark);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + mark.size());
    return at != std::string_view::npos;
  }

  std::optional<Tag> read_tag() {
    char quote = 0;
    for (size_t i = 0; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '>') {
        std::string_view inside = rest_.substr(0, i);
        rest_.remove_prefix(i + 1);
        size_t end = std::min(inside.find_first_of(" \t\r\n/", 1), inside.size());
        return Tag{inside.substr(0, end), inside.substr(end)};
      }
    }
    rest_ = {};
    return std::nullopt;
  }

  std::string_view rest_;
};

// The value of an attribute, a view of it.
std::optional<std::string_view> find_attribute(std::string_view attributes, std::string_view name) {
  while (true) {
    size_t begin = attributes.find_first_not_of(kBlanks);
    size_t equals = attributes.find('=');
    if (begin == std::string_view::npos || equals == std::string_view::npos) return std::nullopt;
    std::string_view found = attributes.substr(begin, equals - begin);
    found = found.substr(0, found.find_last_not_of(kBlanks) + 1);
    size_t open = attributes.find_first_of("'\"", equals);
    if (open == std::string_view::npos) return std::nullopt;
    size_t close = attributes.find(attributes[open], open + 1);
    if (close == std::string_view::npos) return std::nullopt;
    if (found == name) return attributes.substr(open + 1, close - open - 1);
    attributes.remove_prefix(close + 1);
  }
}

}  // namespace

std::string without_passwords(std::string_view xml) {
  std::string blanked;
  size_t copied = 0;
  TagScanner scanner(xml);
  while (auto tag = scanner.next()) {
    auto password = find_attribute(tag->attributes, "passwd");
    if (!password) continue;
    auto begin = static_cast<size_t>(password->data() - xml.data());
    blanked += xml.substr(copied, begin - copied);
    copied = begin + password->size();
  }
  return blanked += xml.substr(copied);
}

bool is_emulated(std::string_view xml) {
  TagScanner scanner(xml);
  auto tag = scanner.next();
  return tag && tag->name == "domain" && find_attribute(tag->attributes, "type") == "qemu";
}

std::vector<std::string> writable_disks(std::string_view xml) {
  std::vector<std::string> disks;
  std::optional<std::string> target;  // of the disk that is open
  bool inside = false;
  bool read_only = false;
  TagScanner scanner(xml);
  while (auto tag = scanner.next()) {
    if (tag->name == "disk") {
      inside = true;
      read_only = false;
      target.reset();
    } else if (tag->name == "/disk") {
      if (target && !read_only) disks.push_back(*target);
      inside = false;
    } else if (inside && tag->name == "readonly") {
      read_only = true;
    } else if (inside && tag->name == "target") {
      if (auto device = find_attribute(tag->attributes, "dev")) target = std::string(*device);
    }
  }
  return disks;
}

}  // namespace vmstream
