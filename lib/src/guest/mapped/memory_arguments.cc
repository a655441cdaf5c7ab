// SPDX-License-Identifier: MIT
#include "guest/mapped/memory_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr uint64_t kDefaultMemoryBytes = 128u << 20;
constexpr uint64_t kMiB = 1u << 20;
constexpr QemuRelease kHasMainBackend{5, 0};
constexpr QemuRelease kHasReserve{6, 1};
constexpr QemuRelease kHasReadonlyFile{8, 2};
constexpr QemuRelease kPlainNames{4, 0};  // machine types from here on
constexpr std::string_view kBackend = "memory-backend-";
constexpr std::string_view kMainSuffix = ".ram";
constexpr std::string_view kObjects = "/objects/";

// Properties of a backend that concern only how the old one got its memory.
constexpr std::array<std::string_view, 16> kOwnMemory = {
    "qom-type",         "share",        "prealloc",    "prealloc-threads",
    "prealloc-context", "hugetlb",      "hugetlbsize", "seal",
    "mem-path",         "discard-data", "align",       "pmem",
    "readonly",         "rom",          "offset",      "reserve"};

Error refused_memory(std::string message, std::string hint = {}) {
  return Error{.code = Errc::Unsupported, .message = std::move(message), .hint = std::move(hint)};
}

bool is_on(const OptionValue& value, std::string_view key) {
  std::string text = value.get_or(key, "off");
  return text == "on" || text == "yes" || text == "true" || text == "y";
}

bool is_machine(const QemuOption& option) {
  return option.is("machine") || option.is("M");
}

// One command line being completed.
class Completion {
 public:
  Completion(std::vector<QemuOption> options, const std::vector<RamBlock>& blocks,
             QemuRelease release, const BlockPath& path_of, MemoryUse use)
      : blocks_(blocks), release_(release), path_of_(path_of), use_(use) {
    result_.options = std::move(options);
  }

  Result<MemoryArguments> run();

 private:
  bool is_run() const { return use_ == MemoryUse::Run; }
  std::optional<std::string> machine_property(std::string_view key) const;
  std::optional<uint64_t> main_bytes() const;
  bool has_memdev_nodes() const;
  const RamBlock* find_block(std::string_view id) const;
  const RamBlock* guess_main(uint64_t bytes) const;
  Status check_outside(const OptionValue& device) const;
  Status check_options();
  Status check_backend(const OptionValue& object, const std::string& id) const;
  Status replace(QemuOption& option);
  Status add_main();
  Status report_other_size(const RamBlock& block, uint64_t bytes);
  std::optional<std::string> file_object(const RamBlock& block, OptionValue object,
                                         const std::string& id);

  const std::vector<RamBlock>& blocks_;
  QemuRelease release_;
  const BlockPath& path_of_;
  MemoryUse use_;
  MemoryArguments result_;
};

std::optional<std::string> Completion::machine_property(std::string_view key) const {
  std::optional<std::string> found;
  for (const QemuOption& option : result_.options) {
    if (!is_machine(option)) continue;
    auto value = OptionValue::parse(*option.value, "type").get(key);
    if (value) found = value;
  }
  return found;
}

std::optional<uint64_t> Completion::main_bytes() const {
  std::optional<std::string> text = machine_property("memory.size");
  for (const QemuOption& option : result_.options) {
    if (!option.is("m")) continue;
    auto size = OptionValue::parse(*option.value, "size").get("size");
    if (size) text = size;
  }
  return text ? read_qemu_size(*text, kMiB) : kDefaultMemoryBytes;
}

bool Completion::has_memdev_nodes() const {
  return std::ranges::any_of(result_.options, [](const QemuOption& option) {
    return option.is("numa") && OptionValue::parse(*option.value, "type").has("memdev");
  });
}

// A backend's block has its id for a name, or its path where the machine type is an old one.
const RamBlock* Completion::find_block(std::string_view id) const {
  auto found = std::ranges::find_if(blocks_, [&](const RamBlock& block) {
    std::string_view name = block.name;
    return name == id || (name.starts_with(kObjects) && name.substr(kObjects.size()) == id);
  });
  return found == blocks_.end() ? nullptr : &*found;
}

// Boards call their main memory so, and no device's memory has such a name without a path.
const RamBlock* Completion::guess_main(uint64_t bytes) const {
  const RamBlock* best = nullptr;
  for (const RamBlock& block : blocks_) {
    bool is_named = block.name == "ram" || (block.name.ends_with(kMainSuffix) &&
                                            block.name.find('/') == std::string::npos);
    if (!is_named) continue;
    if (block.used_length == bytes) return &block;
    if (!best || block.used_length > best->used_length) best = &block;
  }
  return best;
}

// What sees the guest's memory otherwise than through QEMU's mapping.
Status Completion::check_outside(const OptionValue& device) const {
  std::string driver = device.get_or("driver", "");
  if (driver.starts_with("vfio-")) {
    return refused_memory(fmt::format("-device {} pins all of the memory", escape(driver)),
                          "restore it without --map");
  }
  if (driver.starts_with("vhost-user-") || driver.starts_with("vhost-vdpa-")) {
    return refused_memory(
        fmt::format("-device {} needs memory that is shared with another process, and the memory "
                    "of a mapped guest is private",
                    escape(driver)),
        "restore it without --map");
  }
  return ok();
}

Status Completion::check_options() {
  for (const QemuOption& option : result_.options) {
    if (option.is("mem-path") || option.is("mem-prealloc")) {
      return refused_memory(fmt::format("-{} gives the guest other memory", option.name),
                            "leave it out: the memory comes from the file");
    }
    if (option.is("readconfig")) {
      return refused_memory("-readconfig may hold backends of memory, which are not seen here",
                            "write its options on the command line");
    }
    Status checked = ok();
    if (option.is("device")) checked = check_outside(OptionValue::parse(*option.value, "driver"));
    if (option.is("netdev")) {
      std::string type = OptionValue::parse(*option.value, "type").get_or("type", "");
      if (type == "vhost-user" || type == "vhost-vdpa") {
        checked = refused_memory(fmt::format("-netdev {} needs memory that is shared", type),
                                 "restore it without --map");
      }
    }
    if (!checked) return checked;
  }
  return ok();
}

Status Completion::check_backend(const OptionValue& object, const std::string& id) const {
  struct Rule {
    const char* key;
    const char* reason;
  };
  constexpr Rule kRules[] = {
      {"share", "would write the guest's memory into the file"},
      {"hugetlb", "is in huge pages, which no mapping of the file has"},
      {"prealloc", "would read all of the file at once"},
      {"pmem", "is to be kept by the host"},
  };
  for (const Rule& rule : kRules) {
    if (!is_on(object, rule.key)) continue;
    return refused_memory(
        fmt::format("memory backend '{}' with {}=on {}", escape(id), rule.key, rule.reason),
        fmt::format("leave {} out, or restore it without --map", rule.key));
  }
  return ok();
}

// The object in place of one like `object`; empty where there is no file for the block.
std::optional<std::string> Completion::file_object(const RamBlock& block, OptionValue object,
                                                   const std::string& id) {
  auto path = path_of_(block.name);
  if (!path) return std::nullopt;
  for (std::string_view key : kOwnMemory) object.erase(key);
  OptionValue file = OptionValue::parse("qom-type=memory-backend-file");
  file.set("id", id);
  file.set("size", std::to_string(block.used_length));
  file.set("mem-path", *path);
  file.set("share", "off");
  if (release_ >= kHasReserve) file.set("reserve", "off");
  if (release_ >= kHasReadonlyFile) {
    file.set("readonly", "on");
    file.set("rom", "off");
  }
  auto machine = machine_property("type").value_or("");
  size_t dash = machine.rfind('-');
  auto made_for = read_release(std::string_view(machine).substr(dash + 1));
  bool is_old = dash != std::string::npos && made_for.major > 0 && made_for < kPlainNames;
  bool has_path = block.name.starts_with(kObjects);
  if (has_path || is_old) {
    file.set("x-use-canonical-path-for-ramblock-id", has_path ? "on" : "off");
  }
  for (const auto& [key, value] : object.items()) {
    if (!file.has(key)) file.set(key, value.value_or("on"));
  }
  result_.mapped.push_back(block.name);
  std::string text = file.text();
  return text.substr(std::string_view("qom-type=").size());
}

Status Completion::report_other_size(const RamBlock& block, uint64_t bytes) {
  if (is_run()) {
    return refused_memory(
        fmt::format("the saved guest has {} of memory '{}', this command {}",
                    format_size(block.used_length), escape(block.name), format_size(bytes)),
        fmt::format("-m {}K", block.used_length / 1024));
  }
  result_.without.push_back(fmt::format("memory '{}' is of another size", escape(block.name)));
  return ok();
}

Status Completion::replace(QemuOption& option) {
  OptionValue object = OptionValue::parse(*option.value, "qom-type");
  if (!object.get_or("qom-type", "").starts_with(kBackend)) return ok();
  std::string id = object.get_or("id", "");
  if (is_run()) {
    if (auto checked = check_backend(object, id); !checked) return checked;
  }
  auto bytes = read_qemu_size(object.get_or("size", "0"));
  const RamBlock* block = find_block(id);
  std::optional<std::string> file;
  if (block && bytes == block->used_length) {
    file = file_object(*block, object, id);
  } else if (block && bytes) {
    if (auto told = report_other_size(*block, *bytes); !told) return told;
  }
  if (file) {
    option.value = *file;
  } else if (is_run()) {
    return refused_memory(
        fmt::format("memory backend '{}' is no memory of the saved guest", escape(id)));
  } else {
    // Of no use but to be there.
    option.value = fmt::format("memory-backend-ram,id={},size={}{}", id, bytes.value_or(0),
                               release_ >= kHasReserve ? ",reserve=off" : "");
  }
  return ok();
}

Status Completion::add_main() {
  if (has_memdev_nodes()) return ok();
  auto named = machine_property("memory-backend");
  auto bytes = main_bytes();
  const RamBlock* block = named ? find_block(*named) : guess_main(bytes.value_or(0));
  bool is_given = block && std::ranges::find(result_.mapped, block->name) != result_.mapped.end();
  if (is_given || (named && !is_run())) return ok();
  if (!block || !bytes) {
    if (!is_run()) return ok();
    return refused_memory("the saved guest has no main memory with a name that is known",
                          "give it to the command: -machine memory-backend=NAME");
  }
  if (*bytes != block->used_length) return report_other_size(*block, *bytes);
  std::string id =
      block->name.starts_with(kObjects) ? block->name.substr(kObjects.size()) : block->name;
  auto object = file_object(*block, {}, id);
  if (!object) {
    if (!is_run()) return ok();
    return refused_memory(fmt::format("there is no file of memory '{}'", escape(block->name)));
  }
  result_.options.push_back({.name = "object", .value = std::move(*object)});
  result_.options.push_back({.name = "machine", .value = "memory-backend=" + id});
  return ok();
}

Result<MemoryArguments> Completion::run() {
  if (release_ < kHasMainBackend) {
    if (is_run()) {
      return refused_memory(fmt::format("QEMU {}.{} takes its main memory from no file, 5.0 does",
                                        release_.major, release_.minor));
    }
    result_.without.emplace_back("a QEMU before 5.0 takes its main memory from no file");
    return std::move(result_);
  }
  if (is_run()) {
    if (auto possible = check_options(); !possible) return possible.error();
  }
  for (QemuOption& option : result_.options) {
    if (!option.is("object")) continue;
    if (auto done = replace(option); !done) return done.error();
  }
  if (auto done = add_main(); !done) return done.error();
  return std::move(result_);
}

}  // namespace

Result<MemoryArguments> complete_memory(std::vector<QemuOption> options,
                                        const std::vector<RamBlock>& blocks, QemuRelease release,
                                        const BlockPath& path_of, MemoryUse use) {
  return Completion(std::move(options), blocks, release, path_of, use).run();
}

}  // namespace vmstream
