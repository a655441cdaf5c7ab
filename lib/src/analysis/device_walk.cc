// SPDX-License-Identifier: MIT
#include "analysis/device_walk.h"

#include <fmt/format.h>

#include <vmstream/byte_reader.h>
#include <vmstream/format.h>
#include <vmstream/text.h>

namespace vmstream::analysis {
namespace {

// type, name length, name, version
uint64_t head_length(const VmdescSubsection& subsection) {
  return 1 + 1 + subsection.vmsd_name.size() + 4;
}

uint64_t sum_of(const std::vector<VmdescField>& fields,
                const std::vector<VmdescSubsection>& subsections) {
  uint64_t sum = 0;
  for (const auto& field : fields) sum += field.size * field.array_len;
  for (const auto& nested : subsections) {
    sum += head_length(nested) + sum_of(nested.fields, nested.subsections);
  }
  return sum;
}

class Walk {
 public:
  Walk(std::optional<std::span<const std::byte>> body,
       const std::function<void(const BodyPart&)>& show)
      : body_(body), show_(show) {}

  bool fields(const std::vector<VmdescField>& fields, const std::string& owner,
              const std::string& prefix, unsigned depth) {
    for (const VmdescField& field : fields) {
      uint64_t begin = at_;
      uint64_t length = field.size * field.array_len;
      std::string path = prefix + field.name;
      if (field.index) path += fmt::format("[{}]", *field.index);
      show_({begin, length, depth, path, field.type, owner, field.name});
      // Elements that are described together hold no subsections: nothing to look for in them.
      bool composite = !field.fields.empty() || !field.subsections.empty();
      bool adds_up = sum_of(field.fields, field.subsections) == field.size;
      if (composite && field.array_len == 1 && adds_up) {
        if (!this->fields(field.fields, field.vmsd_name, path + ".", depth + 1)) return false;
        if (!subsections(field.subsections, path + ".", depth + 1)) return false;
      }
      at_ = begin + length;
    }
    return true;
  }

  bool subsections(const std::vector<VmdescSubsection>& list, const std::string& prefix,
                   unsigned depth) {
    for (const VmdescSubsection& subsection : list) {
      if (!check_head(subsection)) return false;
      show_({at_,
             head_length(subsection),
             depth,
             prefix + subsection.vmsd_name,
             "subsection",
             subsection.vmsd_name,
             {}});
      at_ += head_length(subsection);
      std::string inside = prefix + subsection.vmsd_name + ": ";
      if (!fields(subsection.fields, subsection.vmsd_name, inside, depth)) return false;
      if (!subsections(subsection.subsections, prefix, depth)) return false;
    }
    return true;
  }

  const std::optional<BodyMismatch>& mismatch() const { return mismatch_; }

 private:
  bool check_head(const VmdescSubsection& wanted) {
    if (!body_) return true;
    if (at_ > body_->size()) return refuse(wanted, "the body ends before it");
    ByteReader in(body_->subspan(static_cast<size_t>(at_)));
    auto type = in.be<uint8_t>("subsection type");
    auto name = in.counted_string("subsection name");
    auto version = in.be<uint32_t>("subsection version");
    if (type != static_cast<uint8_t>(SectionType::Subsection)) {
      return refuse(wanted, fmt::format("found {:#04x}, wanted 0x05", type));
    }
    if (!in.ok()) return refuse(wanted, "its head is cut");
    if (name != wanted.vmsd_name) {
      return refuse(wanted, fmt::format("found the name '{}'", escape(name)));
    }
    if (version != wanted.version) {
      return refuse(wanted, fmt::format("found version {}, wanted {}", version, wanted.version));
    }
    return true;
  }

  bool refuse(const VmdescSubsection& wanted, std::string_view reason) {
    mismatch_ = {at_, fmt::format("vmdesc puts subsection '{}' here, but {}",
                                  escape(wanted.vmsd_name), reason)};
    return false;
  }

  std::optional<std::span<const std::byte>> body_;
  const std::function<void(const BodyPart&)>& show_;
  uint64_t at_ = 0;
  std::optional<BodyMismatch> mismatch_;
};

}  // namespace

std::optional<BodyMismatch> walk_body(const VmdescDevice& device,
                                      std::optional<std::span<const std::byte>> body,
                                      const std::function<void(const BodyPart&)>& show) {
  Walk walk(body, show);
  if (walk.fields(device.fields, device.vmsd_name, "", 0))
    walk.subsections(device.subsections, "", 0);
  return walk.mismatch();
}

}  // namespace vmstream::analysis
