// SPDX-License-Identifier: MIT
#include "state/guest_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include <vmstream/text.h>
#include "pipeline/ordered_pipeline.h"
#include "state/multifd/joined_source.h"
#include "state/recognise.h"

namespace vmstream {
namespace {

namespace fs = std::filesystem;

// An index beside a file is no part, nor is what is hidden.
bool is_passed_over(const fs::path& path) {
  return path.filename().native().starts_with('.') || path.extension() == ".vmsx";
}

Error of_part(const std::string& name, const Error& error) {
  return Error{.code = error.code,
               .message = fmt::format("{}: {}", escape(name), describe(error)),
               .hint = error.hint};
}

// The streams of the parts, as they are sorted in.
class Sorter {
 public:
  /// Errc::Usage for a second stream of a kind of which there is one.
  Status take(const std::string& name, UnwrappedStream stream) {
    const std::string& type = stream.containers.back().type;
    GuestPart part{name, std::move(stream.plain)};
    if (type == kPageChannel) {
      joined_.page_channels.push_back(std::move(part));
      return ok();
    }
    auto& place = type == kPreemptChannel ? joined_.preempt_channel : main_;
    if (place) {
      return of_part(name, {Errc::Usage, fmt::format("{}, as '{}' is one: wanted one guest",
                                                     type == kPreemptChannel ? "a preempt channel"
                                                                             : "a main stream",
                                                     escape(place->name))});
    }
    if (type != kPreemptChannel) containers_ = std::move(stream.containers);
    place = std::move(part);
    return ok();
  }

  Result<UnwrappedStream> join(size_t count) {
    if (!main_) {
      return Error{Errc::Malformed, fmt::format("no main stream among {} files, wanted the one "
                                                "that begins with QEVM",
                                                count)};
    }
    if (joined_.page_channels.empty() && !joined_.preempt_channel) {
      return Error{Errc::Malformed, "no page channel, wanted one or more beside the main stream"};
    }
    std::vector<Container> containers{
        {joined_.page_channels.empty() ? kPreemptChannel : kPageChannel}};
    containers.insert(containers.end(), containers_.begin(), containers_.end());
    joined_.main = std::move(*main_);
    return UnwrappedStream{std::move(containers), make_joined_source(std::move(joined_))};
  }

 private:
  std::optional<GuestPart> main_;
  std::vector<Container> containers_;  // of the main stream
  JoinedParts joined_;
};

}  // namespace

Result<std::vector<std::string>> list_guest_parts(const std::string& folder) {
  std::error_code failure;
  std::vector<std::string> files;
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end;
       at.increment(failure)) {
    if (is_passed_over(at->path())) continue;
    std::error_code unknown;
    if (!at->is_regular_file(unknown)) {
      return Error{Errc::Usage,
                   fmt::format("'{}' in it is no file, wanted the parts of one guest alone",
                               escape(at->path().filename().native()))};
    }
    files.push_back(at->path().native());
  }
  if (failure) return system_error("cannot be listed", failure.value());
  if (files.empty()) return Error{Errc::Malformed, "no file in it, wanted the parts of a guest"};
  std::ranges::sort(files);
  return files;
}

Result<GuestParts> GuestParts::open(const std::vector<std::string>& paths) {
  GuestParts parts;
  for (const std::string& path : paths) {
    auto file = OpenedFile::open(path);
    if (!file && file.error().code == Errc::Unsupported) {
      return of_part(path, {Errc::Usage, "a part must be a file: it is read twice"});
    }
    if (!file) return of_part(path, file.error());
    parts.parts_.push_back({path, std::move(*file)});
  }
  return parts;
}

Result<UnwrappedStream> GuestParts::join(const OpenOptions& options) const {
  OpenOptions each = options;
  each.page_channels = true;
  auto share = count_threads(options.decode.threads) / std::max<size_t>(parts_.size(), 1);
  each.decode.threads = static_cast<unsigned>(std::max<size_t>(share, 1));
  Sorter sorter;
  for (const Part& part : parts_) {
    auto stream = unwrap(make_whole_source(part.file.reader(options.decode.limits)), each);
    if (!stream) return of_part(part.name, stream.error());
    if (auto taken = sorter.take(part.name, std::move(*stream)); !taken) return taken.error();
  }
  return sorter.join(parts_.size());
}

}  // namespace vmstream
