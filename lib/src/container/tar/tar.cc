// SPDX-License-Identifier: MIT
#include "container/tar/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

#include <vmstream/text.h>
#include "base/zero.h"
#include "container/qcow2/image.h"

namespace vmstream {
namespace {

constexpr size_t kRecordBytes = 512;
constexpr size_t kSizeAt = 124;  // in a header
constexpr size_t kSizeBytes = 12;
constexpr uint64_t kMostLength = UINT64_MAX >> 1;
constexpr uint64_t kMostTextBytes = 1u << 20;  // of a member that holds names and sizes of others
constexpr unsigned kMostMembers = 1u << 20;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Fields are text that ends at a NUL or where they do.
std::string_view field(std::string_view header, size_t at, size_t length) {
  auto text = header.substr(at, length);
  return text.substr(0, text.find('\0'));
}

std::optional<uint64_t> read_octal(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, text.find_first_of(std::string_view(" \0", 2)));
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// In octal, or, where it is larger than that allows, as a big-endian number with its first bit set.
std::optional<uint64_t> read_number(std::string_view text) {
  if (text.empty() || (static_cast<unsigned char>(text[0]) & 0x80) == 0) return read_octal(text);
  uint64_t value = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    if (value >> 56 != 0) return std::nullopt;
    value = value << 8 | static_cast<unsigned char>(text[i]);
  }
  return value;
}

// The sum of all bytes, its own field taken for spaces.
bool has_right_sum(std::string_view header) {
  constexpr size_t kSumAt = 148;
  constexpr size_t kSumBytes = 8;
  auto sum = [](std::string_view text) {
    return std::accumulate(text.begin(), text.end(), uint64_t{0}, [](uint64_t so_far, char one) {
      return so_far + static_cast<unsigned char>(one);
    });
  };
  uint64_t found =
      sum(header.substr(0, kRecordBytes)) - sum(header.substr(kSumAt, kSumBytes)) + kSumBytes * ' ';
  return read_octal(field(header, kSumAt, kSumBytes)) == found;
}

struct Member {
  char type = '0';
  uint64_t length = 0;
  std::string name;

  uint64_t padded() const { return (length + kRecordBytes - 1) / kRecordBytes * kRecordBytes; }
  bool is_file() const { return type == '0' || type == '\0' || type == '7'; }
};

// What a pax header says of the member behind it.
struct Said {
  std::optional<uint64_t> length;
  std::string name;
  bool is_sparse = false;

  // Lines of "LENGTH KEY=VALUE\n", the length being that of the line.
  bool read(std::string_view text) {
    while (!text.empty()) {
      size_t length_bytes = 0;
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length_bytes);
      auto front = static_cast<size_t>(end - text.data()) + 1;
      if (error != std::errc() || length_bytes > text.size() || length_bytes <= front) return false;
      auto line = text.substr(front, length_bytes - front - 1);
      size_t sign = line.find('=');
      if (sign == std::string_view::npos || !take(line.substr(0, sign), line.substr(sign + 1))) {
        return false;
      }
      text.remove_prefix(length_bytes);
    }
    return true;
  }

 private:
  bool take(std::string_view key, std::string_view value) {
    if (key == "path") name = value;
    if (key.starts_with("GNU.sparse")) is_sparse = true;
    if (key != "size") return true;
    uint64_t number = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    length = number;
    return error == std::errc() && end == value.data() + value.size();
  }
};

// Goes from member to member.
class Archive {
 public:
  explicit Archive(ForwardReader& in) : in_(in) {}

  // The next file, at whose content the reader stands then; empty behind the last.
  Result<std::optional<Member>> next() {
    for (;;) {
      if (auto passed = in_.skip(std::exchange(left_, 0)); !passed) return passed.error();
      auto member = read_header();
      if (!member) return member.error();
      if (!*member) return std::optional<Member>();
      left_ = (*member)->padded();
      if (auto known = learn(**member); !known) return known.error();
      if ((*member)->is_file()) return finish(std::move(**member));
    }
  }

 private:
  Result<std::optional<Member>> read_header() {
    if (++count_ > kMostMembers) {
      return Error{Errc::Unsupported,
                   fmt::format("a tar archive of more than {} members", kMostMembers)};
    }
    uint64_t at = in_.position();
    std::array<std::byte, kRecordBytes> bytes;
    if (auto read = in_.read_all(bytes, "the header of a tar member"); !read) return read.error();
    if (is_zero(bytes)) return std::optional<Member>();
    std::string_view header = text_of(bytes);
    auto length = read_number(header.substr(kSizeAt, kSizeBytes));
    if (!has_right_sum(header)) {
      return Error{.code = Errc::Malformed,
                   .message = "the header of a tar member does not match its checksum",
                   .file_offset = at};
    }
    if (!length || *length > kMostLength) {
      return Error{.code = Errc::Malformed,
                   .message = fmt::format("the size of a tar member is '{}', want octal digits, or "
                                          "a number that a file can hold",
                                          escape(header.substr(kSizeAt, kSizeBytes))),
                   .file_offset = at + kSizeAt};
    }
    return std::optional(
        Member{.type = header[156], .length = *length, .name = std::string(field(header, 0, 100))});
  }

  // Members that tell of the one behind them.
  Status learn(const Member& member) {
    bool is_long_name = member.type == 'L';
    if (member.type == 'S') return refuse_sparse(member.name);
    if (member.type != 'x' && !is_long_name) return ok();
    if (member.length > kMostTextBytes) {
      return in_.malformed(fmt::format("a tar header of {} bytes, at most {} are read",
                                       member.length, kMostTextBytes));
    }
    auto bytes = in_.read_bytes(static_cast<size_t>(member.length), "a tar header");
    if (!bytes) return bytes.error();
    left_ -= member.length;
    std::string_view text = text_of(*bytes);
    if (is_long_name) said_.name = text.substr(0, text.find('\0'));
    if (is_long_name || said_.read(text)) return ok();
    return in_.malformed("a tar header (pax) that cannot be read");
  }

  Result<std::optional<Member>> finish(Member member) {
    Said said = std::exchange(said_, {});
    if (!said.name.empty()) member.name = std::move(said.name);
    if (said.is_sparse) return refuse_sparse(member.name).error();
    if (said.length) {
      if (*said.length > kMostLength) {
        return in_.malformed(fmt::format("a tar member of {} bytes", *said.length));
      }
      member.length = *said.length;
      left_ = member.padded();
    }
    return std::optional(std::move(member));
  }

  static Status refuse_sparse(const std::string& name) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("tar holds '{}' without its holes", escape(name)),
                 .hint = "unpack it with 'tar -x' first"};
  }

  ForwardReader& in_;
  Said said_;
  uint64_t left_ = 0;  // of the open member, with what fills its last record
  unsigned count_ = 0;
};

Error refuse_image(const std::string& name) {
  return Error{.code = Errc::Unsupported,
               .message = fmt::format("a tar archive without a state file, but with a qcow2 image, "
                                      "'{}', whose snapshots are read by position",
                                      escape(name)),
               .hint = "unpack the image, and read FILE#SNAPSHOT"};
}

}  // namespace

bool is_tar(std::string_view head) {
  constexpr size_t kMagicAt = 257;
  return head.size() >= kRecordBytes && head.substr(kMagicAt).starts_with("ustar") &&
         has_right_sum(head);
}

Result<FoundContent> find_in_tar(ForwardReader& in, const IsStateFile& is_state_file) {
  Archive archive(in);
  std::string image;  // the first disk image
  for (;;) {
    auto member = archive.next();
    if (!member) return member.error();
    if (!*member) {
      if (!image.empty()) return refuse_image(image);
      return Error{Errc::Malformed, "a tar archive without a state file in it"};
    }
    auto wanted = std::min<uint64_t>((*member)->length, kContentHeadBytes);
    auto head = in.peek(static_cast<size_t>(wanted));
    if (!head) return head.error();
    auto front = head->first(std::min<size_t>(head->size(), wanted));
    if (image.empty() && Qcow2Image::recognise(front)) image = (*member)->name;
    if (!is_state_file(front)) continue;
    uint64_t offset = in.position();
    return FoundContent{{.type = "tar", .content_offset = offset, .member = (*member)->name},
                        {offset, (*member)->length}};
  }
}

}  // namespace vmstream
