// SPDX-License-Identifier: MIT
#include <vmstream/indexing.h>

#include <fmt/format.h>
#include <sys/stat.h>

#include <vmstream/text.h>

namespace vmstream {
namespace {

bool is_index(const std::string& path) {
  auto file = open_random_file(path);
  return file && IndexReader::open(**file);
}

// Without a mark no reader could tell whose index it is.
Status require_marked_index(std::span<const std::byte> bytes) {
  auto source = make_random_memory(bytes);
  auto index = IndexReader::open(*source);
  auto mark = index ? index->read_mark() : Result<std::optional<FileMark>>(index.error());
  if (!mark) return Error{Errc::Usage, "no index for a file: " + mark.error().message};
  if (!*mark) return Error{Errc::Usage, "the index does not tell of which file it is"};
  return ok();
}

}  // namespace

std::string sidecar_path(const std::string& file) {
  return file + ".vmsx";
}

// Left to OutputFile, a link would be followed, and a device or a FIFO of that name written into.
Status publish_sidecar(const std::string& path, std::span<const std::byte> bytes,
                       Overwrite overwrite, WaitLimits limits) {
  if (auto good = require_marked_index(bytes); !good) return good;
  struct stat status {};
  bool is_there = ::lstat(path.c_str(), &status) == 0;
  bool may_go = overwrite == Overwrite::Replace && S_ISREG(status.st_mode) && is_index(path);
  if (is_there && !may_go) {
    return Error{Errc::Refused, fmt::format("{} exists already and stays", escape(path))};
  }
  auto file = OutputFile::create(path, overwrite, limits);
  if (!file) return file.error();
  if (auto written = (*file)->write(bytes); !written) return written;
  return (*file)->commit_file();
}

bool has_stale_sidecar(const std::string& file) {
  auto beside = open_random_file(sidecar_path(file));
  auto index = beside ? IndexReader::open(**beside) : Result<IndexReader>(beside.error());
  if (!index) return false;
  auto mark = index->read_mark();
  auto content = open_random_file(file);
  auto found = content ? FileMark::of(**content) : Result<FileMark>(content.error());
  return mark && *mark && found && **mark != *found;
}

}  // namespace vmstream
