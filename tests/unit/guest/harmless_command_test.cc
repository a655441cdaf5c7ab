// SPDX-License-Identifier: MIT
#include "guest/check/harmless_command.h"

#include <fstream>

#include "support/catch.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using Words = std::vector<std::string>;

Result<HarmlessCommand> harmless(const Words& words) {
  Words argv = {"qemu"};
  argv.insert(argv.end(), words.begin(), words.end());
  auto options = read_qemu_options(argv);
  if (!options) return options.error();
  return make_harmless(*options);
}

// Without what is always added.
Words words_of(const Words& given) {
  auto made = harmless(given);
  REQUIRE(made);
  Words words = to_words("qemu", made->options);
  REQUIRE(words.size() >= 4);
  CHECK(Words(words.end() - 3, words.end()) == Words{"-display", "none", "-S"});
  return {words.begin() + 1, words.end() - 3};
}

}  // namespace

TEST_CASE("what tells of the guest stays", "[harmless]") {
  Words given = {"-machine", "q35,accel=kvm",
                 "-cpu",     "host",
                 "-smp",     "4",
                 "-m",       "2G",
                 "-device",  "e1000,netdev=n",
                 "-global",  "VGA.vgamem_mb=32"};
  CHECK(words_of(given) == given);
}

TEST_CASE("what concerns the host alone goes", "[harmless]") {
  CHECK(words_of({"-qmp", "unix:/q,server=on", "-pidfile", "/p", "-daemonize", "-D", "/l", "-vnc",
                  ":1", "--display", "gtk", "-snapshot", "-s", "-S", "-object",
                  "secret,id=s,file=/k"})
            .empty());
}

TEST_CASE("backends lead nowhere", "[harmless]") {
  CHECK(words_of({"-serial", "file:/log", "-chardev", "socket,id=c,path=/s,server=on", "-monitor",
                  "stdio", "-audiodev", "pa,id=a", "-object", "rng-egd,id=r,chardev=c"}) ==
        Words{"-serial", "null", "-chardev", "backend=null,id=c", "-monitor", "none", "-audiodev",
              "driver=none,id=a", "-object", "rng-builtin,id=r"});
  auto made = harmless({"-netdev", "tap,id=n,script=/etc/up"});
  REQUIRE(made);
  CHECK(made->options[0].value == "type=user,id=n");
  CHECK(made->not_checked.size() == 1);
  CHECK(made->lacks_tap);
  auto options = read_qemu_options({"qemu", "-netdev", "tap,id=n,script=/etc/up,queues=2,fds=3:4"});
  REQUIRE(options);
  CHECK(wants_tap(*options));
  made = make_harmless(*options, true);
  REQUIRE(made);
  CHECK(made->options[0].value == "type=tap,id=n,ifname=check0,script=no,downscript=no,queues=2");
  CHECK_FALSE(made->lacks_tap);
  CHECK(words_of({"-netdev", "user,id=n,hostfwd=tcp::22-:22"}) ==
        Words{"-netdev", "type=user,id=n"});
}

TEST_CASE("disks are empty ones of the same size", "[harmless]") {
  testing::TempDir folder;
  std::string raw = folder / "a,b.raw";
  std::ofstream(raw) << std::string(1000, 'x');
  std::string doubled = folder / "a,,b.raw";
  CHECK(words_of({"-drive", "if=virtio,format=raw,file=" + doubled + ",cache=none"}) ==
        Words{"-drive", "if=virtio,driver=null-co,size=1024,read-zeroes=on"});
  CHECK(words_of({"-cdrom", raw}) ==
        Words{"-drive", "media=cdrom,index=2,driver=null-co,size=1024,read-zeroes=on"});
  CHECK(words_of({"-drive", "if=ide,media=cdrom"}) == Words{"-drive", "if=ide,media=cdrom"});
  std::string json =
      R"({"driver":"raw","node-name":"d","read-only":true,"file":{"driver":"file","filename":")" +
      raw + R"("}})";
  CHECK(words_of({"-blockdev", json}) ==
        Words{"-blockdev", "driver=null-co,read-zeroes=on,node-name=d,size=1024,read-only=on"});
  CHECK(words_of({"-blockdev", "file,node-name=f,filename=" + doubled, "-blockdev",
                  "raw,node-name=d,file=f"})[3] ==
        "driver=null-co,read-zeroes=on,node-name=d,size=1024");
  auto missing = harmless({"-hda", "/no/such/disk"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Errc::Environment);
  auto remote = harmless({"-drive", "file=nbd:host:10809,if=virtio"});
  REQUIRE(remote);
  CHECK(remote->not_checked.size() == 1);
}

TEST_CASE("nodes that name each other in a circle end", "[harmless]") {
  auto made =
      harmless({"-blockdev", "raw,node-name=a,file=b", "-blockdev", "raw,node-name=b,file=a"});
  REQUIRE(made);
  CHECK(made->not_checked.size() == 2);
}

TEST_CASE("what is not known is named", "[harmless]") {
  std::vector<Words> refused = {{"-loadvm", "x"},
                                {"-readconfig", "x"},
                                {"-plugin", "x"},
                                {"-fsurprise", "x"},
                                {"-device", "vfio-pci,host=1"},
                                {"-device", "usb-host,vendorid=1"},
                                {"-device", R"({"driver":"vhost-vsock-pci","guest-cid":3})"},
                                {"-object", "filter-dump,id=f,netdev=n,file=x"},
                                {"-set", "drive.d.file=x"},
                                {"-device", "usb-tablet,pcap=/x"},
                                {"-global", "usb-tablet.pcap=/x"},
                                {"-global", "driver=usb-tablet,property=pcap,value=/x"},
                                {"-set", "device.t.pcap=/x"},
                                {"-M", "virt,dumpdtb=/x"},
                                {"-tpmdev", "passthrough,id=t"}};
  for (const Words& words : refused) {
    CAPTURE(words);
    auto made = harmless(words);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == Errc::Unsupported);
    CHECK(made.error().message.find(words[0]) == 0);
  }
}

}  // namespace vmstream
