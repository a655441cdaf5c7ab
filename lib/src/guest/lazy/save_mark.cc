// SPDX-License-Identifier: MIT
#include "guest/lazy/save_mark.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <vmstream/digest.h>
#include <vmstream/text.h>
#include "base/json.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr size_t kDigestDigits = 32;

Status add_record(Sha256& digest, RandomSource& plain, const IndexedRecord& record,
                  const WaitLimits& limits) {
  std::vector<std::byte> piece(64 * 1024);
  for (uint64_t at = record.offset; at < record.end();) {
    if (auto within = check_limits(limits, "input"); !within) return within;
    auto bytes = std::span(piece).first(
        static_cast<size_t>(std::min<uint64_t>(piece.size(), record.end() - at)));
    if (auto read = plain.read_at(at, bytes); !read) return read;
    digest.update(bytes);
    at += bytes.size();
  }
  return ok();
}

}  // namespace

Result<SaveMark> SaveMark::make(const LazyReader& reader, const StateIndex& index,
                                const WaitLimits& limits) {
  Sha256 digest;
  for (const IndexedRecord& record : *index.records) {
    if (record.type != SectionType::Full) continue;
    auto added = add_record(digest, reader.plain(), record, limits);
    if (!added) return added.error();
  }
  return SaveMark(std::string(kFront) + digest.finish().substr(0, kDigestDigits));
}

Result<std::vector<std::string>> SaveMark::list(QmpClient& qmp) {
  auto answer = qmp.execute("qom-list", to_text({{"path", "/objects"}}));
  if (!answer) return answer.error();
  std::vector<std::string> names;
  Json objects = Json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  if (!objects.is_array()) return names;
  for (const Json& object : objects) {
    std::string name = text_member(object, "name");
    if (name.starts_with(kFront)) names.push_back(std::move(name));
  }
  return names;
}

Status SaveMark::leave(QmpClient& qmp) const {
  auto others = list(qmp);
  if (!others) return others.error();
  for (const std::string& other : *others) SaveMark(other).remove(qmp);
  auto added = qmp.execute("object-add", to_text({{"qom-type", kType}, {"id", name_}}));
  return added ? ok() : Status(added.error());
}

void SaveMark::remove(QmpClient& qmp) const {
  [[maybe_unused]] auto removed = qmp.execute("object-del", to_text({{"id", name_}}));
}

Result<bool> SaveMark::check(QmpClient& qmp) const {
  auto marks = list(qmp);
  if (!marks) return marks.error();
  if (marks->empty()) return false;
  if (std::ranges::find(*marks, name_) != marks->end()) return true;
  return Error{.code = Errc::Refused,
               .message = fmt::format("the guest that waits is of another save: QEMU has its mark "
                                      "{}, this file's is {}",
                                      escape(marks->front()), name_),
               .hint = "go on with the file that it was begun with, or a copy of that"};
}

}  // namespace vmstream
