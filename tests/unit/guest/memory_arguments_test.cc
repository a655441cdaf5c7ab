// SPDX-License-Identifier: MIT
#include "guest/mapped/memory_arguments.h"

#include "support/catch.h"

namespace vmstream {
namespace {

constexpr uint64_t kMega = 1u << 20;
constexpr QemuRelease kNow{7, 2};

std::vector<RamBlock> saved_blocks() {
  return {{.name = "pc.ram", .used_length = 512 * kMega},
          {.name = "0000:00:02.0/vga.vram", .used_length = 16 * kMega}};
}

std::optional<std::string> file_of(std::string_view block) {
  return "/view/" + std::string(block);
}

Result<std::vector<std::string>> complete(const std::vector<std::string>& words,
                                          MemoryUse use = MemoryUse::Run,
                                          std::vector<RamBlock> blocks = saved_blocks(),
                                          QemuRelease release = kNow) {
  std::vector<std::string> argv = {"qemu"};
  argv.insert(argv.end(), words.begin(), words.end());
  auto options = read_qemu_options(argv);
  if (!options) return options.error();
  auto memory = complete_memory(std::move(*options), blocks, release, file_of, use);
  if (!memory) return memory.error();
  auto all = to_words("qemu", memory->options);
  all.erase(all.begin());
  return all;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("the main memory is given by its name", "[memory-arguments]") {
  auto words = complete({"-M", "pc", "-m", "512"});
  REQUIRE(words);
  CHECK(*words == Words{"-M", "pc", "-m", "512", "-object",
                        "memory-backend-file,id=pc.ram,size=536870912,mem-path=/view/pc.ram,"
                        "share=off,reserve=off",
                        "-machine", "memory-backend=pc.ram"});
}

TEST_CASE("a release has the properties that it knows", "[memory-arguments]") {
  auto older = complete({"-m", "512"}, MemoryUse::Run, saved_blocks(), {6, 0});
  REQUIRE(older);
  CHECK((*older)[3].ends_with("share=off"));
  auto newer = complete({"-m", "512"}, MemoryUse::Run, saved_blocks(), {10, 0});
  REQUIRE(newer);
  CHECK((*newer)[3].ends_with("share=off,reserve=off,readonly=on,rom=off"));
  CHECK_FALSE(complete({"-m", "512"}, MemoryUse::Run, saved_blocks(), {4, 2}));
}

TEST_CASE("the user's own backends are replaced under their names", "[memory-arguments]") {
  std::vector<RamBlock> blocks = {{.name = "m0", .used_length = 64 * kMega},
                                  {.name = "m1", .used_length = 64 * kMega}};
  std::string second = R"({"qom-type":"memory-backend-ram","id":"m1","size":67108864,)"
                       R"("host-nodes":[1],"policy":"bind"})";
  auto words = complete({"-m", "128", "-object", "memory-backend-ram,id=m0,size=64M", "-object",
                         second, "-numa", "node,memdev=m0", "-numa", "node,memdev=m1"},
                        MemoryUse::Run, blocks);
  REQUIRE(words);
  CHECK((*words)[3].starts_with("memory-backend-file,id=m0,size=67108864,mem-path=/view/m0,"));
  CHECK((*words)[5].starts_with("memory-backend-file,id=m1,size=67108864,mem-path=/view/m1,"));
  CHECK((*words)[5].find("policy=bind") != std::string::npos);
  CHECK(words->size() == 10);
}

TEST_CASE("machine types up to 3.1 keep the block's name", "[memory-arguments]") {
  auto words = complete({"-M", "pc-i440fx-3.1", "-m", "512"});
  REQUIRE(words);
  CHECK((*words)[5].ends_with("x-use-canonical-path-for-ramblock-id=off"));
  std::vector<RamBlock> blocks = {{.name = "/objects/mem", .used_length = 512 * kMega}};
  words = complete({"-M", "pc-i440fx-3.1,memory-backend=mem", "-m", "512", "-object",
                    "memory-backend-file,id=mem,size=512M,mem-path=/other"},
                   MemoryUse::Run, blocks);
  REQUIRE(words);
  CHECK((*words)[5].ends_with("x-use-canonical-path-for-ramblock-id=on"));
  CHECK((*words)[5].find("/other") == std::string::npos);
}

TEST_CASE("memory that no private mapping can be is refused to run", "[memory-arguments]") {
  std::vector<Words> refused = {
      {"-m", "256"},
      {"-m", "512", "-mem-path", "/dev/hugepages"},
      {"-m", "512", "-mem-prealloc"},
      {"-m", "512", "-device", "vfio-pci,host=1"},
      {"-m", "512", "-device", "vhost-user-fs-pci,chardev=c"},
      {"-m", "512", "-netdev", "vhost-user,id=n,chardev=c"},
      {"-m", "512", "-readconfig", "x"},
      {"-m", "512", "-object", "memory-backend-memfd,id=pc.ram,size=512M,share=on"},
      {"-m", "512", "-object", "memory-backend-memfd,id=pc.ram,size=512M,hugetlb=on"},
      {"-m", "512", "-object", "memory-backend-ram,id=pc.ram,size=512M,prealloc=on"}};
  for (const Words& words : refused) {
    CAPTURE(words);
    auto result = complete(words);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Errc::Unsupported);
  }
}

TEST_CASE("a check leaves to QEMU what it has to say", "[memory-arguments]") {
  auto words = complete({"-m", "256"}, MemoryUse::Check);
  REQUIRE(words);
  CHECK(*words == Words{"-m", "256"});
  words =
      complete({"-m", "512", "-object", "memory-backend-file,id=x,size=1G,mem-path=/mine,share=on"},
               MemoryUse::Check);
  REQUIRE(words);
  CHECK((*words)[3] == "memory-backend-ram,id=x,size=1073741824,reserve=off");
}

TEST_CASE("commas of a path are doubled", "[memory-arguments]") {
  auto options = read_qemu_options({"qemu", "-m", "512"});
  auto odd = [](std::string_view) -> std::optional<std::string> { return "/a,b"; };
  auto memory = complete_memory(*options, saved_blocks(), kNow, odd, MemoryUse::Run);
  REQUIRE(memory);
  CHECK(memory->options[1].value->find("mem-path=/a,,b,") != std::string::npos);
}

TEST_CASE("sizes are read as QEMU reads them", "[memory-arguments]") {
  CHECK(read_qemu_size("512", kMega) == 512 * kMega);
  CHECK(read_qemu_size("1.5G") == 1536 * kMega);
  CHECK(read_qemu_size("0x10") == 16u);
  CHECK(read_qemu_size("2k", kMega) == 2048u);
  CHECK_FALSE(read_qemu_size("12x"));
  CHECK_FALSE(read_qemu_size("-1"));
  CHECK_FALSE(read_qemu_size("1e30"));
}

}  // namespace vmstream
