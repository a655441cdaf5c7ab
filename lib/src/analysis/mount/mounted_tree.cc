// SPDX-License-Identifier: MIT
#include "analysis/mount/mounted_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include <vmstream/text.h>
#include "analysis/images/core_layout.h"
#include "analysis/images/image_parts.h"

namespace vmstream {
namespace {

constexpr uint64_t kMostBytes = INT64_MAX;   // of a file
constexpr uint64_t kBlockAlignment = 65536;  // no target has larger pages
constexpr size_t kMostNameBytes = 240;       // the system's limit, with room for a number

class TreeMaker {
 public:
  TreeMaker(StateFile& file, const PhysicalMap& map, const StateMountOptions& options)
      : file_(file), options_(options) {
    tree_.map = map;
  }

  Result<MountedTree> make() {
    if (auto added = add_blocks(); !added) return added.error();
    if (auto added = add_images(); !added) return added.error();
    auto plain = file_.random();
    if (!plain) return plain.error();
    add({.name = "stream", .length = (*plain)->length()}, FromStream{});
    for (const MountedText& text : options_.texts) {
      add({.name = text.name, .length = text.content.size()}, text.content);
    }
    return std::move(tree_);
  }

 private:
  Status add_blocks();
  Status add_images();
  Status add_core(const std::vector<ImageStretch>& stretches);
  void leave_out(const std::string& path, const Error& error) const {
    if (options_.on_left_out) options_.on_left_out(path, error);
  }
  size_t add(FuseTree::Node node, Content content) {
    tree_.nodes.push_back(std::move(node));
    tree_.contents.push_back(std::move(content));
    return tree_.nodes.size() - 1;
  }

  StateFile& file_;
  const StateMountOptions& options_;
  MountedTree tree_;
};

// Names that became the same by escaping get numbers.
std::string unused_name(std::set<std::string>& used, const std::string& name) {
  std::string unused = name;
  for (size_t number = 2; !used.insert(unused).second; ++number) {
    unused = fmt::format("{}~{}", name, number);
  }
  return unused;
}

Status TreeMaker::add_blocks() {
  auto image = file_.ram();
  if (!image) return image.error();
  size_t folder = add({.name = "ram", .is_folder = true}, {});
  std::vector<PhysicalRange> ranges;
  std::set<std::string> used;
  uint64_t next = 0;
  for (const IndexedBlock& entry : image->blocks()) {
    const RamBlock& block = entry.block;
    std::string name = unused_name(used, file_name_of(block.name));
    if (block.used_length > kMostBytes - next) {
      leave_out("ram/" + name, Error{Errc::Unsupported, "larger than a file can be"});
      continue;
    }
    MemoryLayout layout{.file_bytes = block.used_length};
    if (block.used_length > 0) {
      layout.pieces.push_back({0, next, block.used_length});
      ranges.push_back({.address = next, .length = block.used_length, .block = block.name});
    }
    add({.name = name, .parent = folder, .length = block.used_length},
        FromBlocks{std::move(layout)});
    next += (block.used_length + kBlockAlignment - 1) / kBlockAlignment * kBlockAlignment;
    next = std::min(next, kMostBytes);
  }
  tree_.blocks = PhysicalMap(std::move(ranges), {}, {});
  return ok();
}

Status TreeMaker::add_images() {
  auto stretches = image_stretches(tree_.map, options_.image.with_firmware);
  if (stretches.empty()) {
    leave_out("physical, core", Error{Errc::Unsupported, "no memory of the guest has an address"});
    return ok();
  }
  if (stretches.back().end() > kMostBytes) {
    leave_out("physical", Error{Errc::Unsupported, "larger than a file can be"});
  } else {
    auto layout = lay_out_physical(stretches);
    uint64_t length = layout.file_bytes;
    add({.name = "physical", .length = length}, FromMemory{std::move(layout)});
  }
  if (options_.image.cpus.empty()) return ok();
  auto added = add_core(stretches);
  if (added || added.error().code != Errc::Unsupported) return added;
  leave_out("core", added.error());
  return ok();
}

Status TreeMaker::add_core(const std::vector<ImageStretch>& stretches) {
  ImageJob job{file_, tree_.map, options_.image, stretches};
  auto core = make_core_layout(job);
  if (!core) return core.error();
  if (core->file_bytes > kMostBytes) return Error{Errc::Unsupported, "larger than a file can be"};
  MemoryLayout layout{.head = std::move(core->head), .file_bytes = core->file_bytes};
  for (size_t i = 0; i < stretches.size(); ++i) {
    layout.pieces.push_back({core->offsets[i], stretches[i].address, stretches[i].length});
  }
  add({.name = "core", .length = core->file_bytes}, FromMemory{std::move(layout)});
  return ok();
}

}  // namespace

std::string file_name_of(std::string_view name) {
  std::string safe;
  for (char letter : escape(name)) {
    if (letter == '/') {
      safe += "\\x2f";
    } else {
      safe += letter;
    }
  }
  if (safe.empty()) return "unnamed";
  if (safe == "." || safe == "..") return "\\x2e" + safe.substr(1);
  if (safe.size() > kMostNameBytes) safe.resize(kMostNameBytes);
  return safe;
}

std::string MountedTree::path_of(size_t node) const {
  const FuseTree::Node& found = nodes[node];
  if (found.parent == FuseTree::kRoot) return found.name;
  return path_of(found.parent) + "/" + found.name;
}

Result<MountedTree> make_mounted_tree(StateFile& file, const PhysicalMap& map,
                                      const StateMountOptions& options) {
  return TreeMaker(file, map, options).make();
}

MountedFiles::MountedFiles(std::shared_ptr<PieceReader> reader, const MountedTree& tree)
    : reader_(std::move(reader)), tree_(tree), blocks_(tree.blocks, *reader_->image) {}

Result<std::unique_ptr<MountedFiles>> MountedFiles::open(StateFile& file, const MountedTree& tree) {
  auto reader = PieceReader::open(file, tree.map);
  if (!reader) return reader.error();
  std::unique_ptr<MountedFiles> files(new MountedFiles(std::move(*reader), tree));
  if (auto added = files->add_sources(); !added) return added.error();
  return files;
}

Status MountedFiles::add_sources() {
  for (const Content& content : tree_.contents) {
    sources_.push_back(nullptr);
    if (const auto* text = std::get_if<std::string>(&content)) {
      owned_.push_back(make_random_memory(std::as_bytes(std::span(*text))));
    } else if (const auto* blocks = std::get_if<FromBlocks>(&content)) {
      owned_.push_back(std::make_unique<MemoryFile>(blocks->layout, blocks_));
    } else if (const auto* memory = std::get_if<FromMemory>(&content)) {
      owned_.push_back(std::make_unique<MemoryFile>(memory->layout, *reader_->memory));
    } else if (std::holds_alternative<FromStream>(content)) {
      auto plain = reader_->file.random();
      if (!plain) return plain.error();
      sources_.back() = *plain;
      continue;
    } else {
      continue;  // a folder
    }
    sources_.back() = owned_.back().get();
  }
  return ok();
}

Result<std::span<const std::byte>> MountedFiles::read(size_t node, uint64_t offset, size_t length) {
  RandomSource& source = *sources_[node];
  uint64_t left = source.length() - std::min(source.length(), offset);
  buffer_.resize(static_cast<size_t>(std::min<uint64_t>(length, left)));
  if (auto read = source.read_at(offset, buffer_); !read) return read.error();
  return std::span<const std::byte>(buffer_);
}

}  // namespace vmstream
