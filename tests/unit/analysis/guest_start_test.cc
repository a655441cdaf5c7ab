// SPDX-License-Identifier: MIT
#include <vmstream/stream_summary.h>

#include <string>
#include <vector>

#include "support/catch.h"

using namespace vmstream;

namespace {

using Blocks = std::vector<std::pair<std::string, uint64_t>>;

// Plays a stream of named parts to a collector.
class Guest {
 public:
  Guest& machine(std::string name, bool with_uuid = false) {
    Configuration configuration{.machine = std::move(name)};
    if (with_uuid) configuration.uuid = std::array<std::byte, 16>{};
    REQUIRE(collector_.on_configuration(configuration));
    return *this;
  }
  Guest& ram(const Blocks& blocks) {
    RamBlockList list;
    for (const auto& [name, length] : blocks) {
      list.blocks.push_back({.name = name, .used_length = length});
      list.total_bytes += length;
    }
    REQUIRE(collector_.on_ram_blocks(list));
    return *this;
  }
  Guest& device(std::string idstr, std::vector<std::byte> body = {}, uint32_t version = 1) {
    SectionHeader header{
        .type = SectionType::Full, .idstr = std::move(idstr), .version_id = version};
    REQUIRE(collector_.on_section(header));
    for (std::byte one : body) REQUIRE(collector_.on_body(0, std::span(&one, 1)));
    REQUIRE(collector_.on_section_end(header, {}));
    return *this;
  }
  StreamSummary summary() { return collector_.finish({}); }
  StartArguments start() { return summary().start; }
  GuestClocks clocks() { return summary().clocks; }

 private:
  SummaryCollector collector_;
};

std::vector<std::string> arguments(const StartArguments& start) {
  std::vector<std::string> list;
  for (const auto& device : start.devices) list.push_back(device.argument);
  return list;
}

void append(std::vector<std::byte>& bytes, uint64_t value, int width) {
  while (width-- > 0) bytes.push_back(static_cast<std::byte>(value >> (8 * width)));
}

// 2026-11-20 22:19:51, of an RTC that was set when its clock showed `set_at`.
std::vector<std::byte> rtc_body(uint64_t base, uint64_t set_at, unsigned status_b = 0x02) {
  std::vector<std::byte> body(128);
  auto put = [&](size_t place, unsigned value) { body[place] = static_cast<std::byte>(value); };
  put(0, 0x51);
  put(2, 0x19);
  put(4, 0x22);
  put(7, 0x20);
  put(8, 0x11);
  put(9, 0x26);
  put(0x0b, status_b);
  put(0x32, 0x20);
  body.resize(205);
  append(body, base, 8);
  append(body, set_at, 8);
  body.resize(245);
  return body;
}

constexpr int64_t kDate = 1795213191;
constexpr uint64_t kNanoseconds = 1'000'000'000;

}  // namespace

TEST_CASE("memory is given as somebody types it", "[analysis]") {
  CHECK(memory_argument(128u << 20) == "128M");
  CHECK(memory_argument(uint64_t{3} << 30) == "3G");
  CHECK(memory_argument(1536u << 20) == "1536M");
  CHECK(memory_argument(8192) == "8K");
  CHECK(memory_argument(uint64_t{1} << 50) == "1024T");
  CHECK(memory_argument(100) == "100B");
}

TEST_CASE("the memory of a guest has no ROMs in it", "[analysis]") {
  auto memory = [](const Blocks& blocks) { return Guest().ram(blocks).start().memory_bytes; };
  CHECK(memory({{"pc.ram", 1 << 20}, {"pc.bios", 4096}, {"0000:00:02.0/vga.vram", 16 << 20}}) ==
        1 << 20);
  CHECK(memory({{"virt.flash0", 64 << 20}, {"mach-virt.ram", 16 << 20}}) == 16 << 20);
  CHECK(memory({{"riscv_virt_board.mrom", 61440}, {"riscv_virt_board.ram", 8 << 20}}) == 8 << 20);
  CHECK(memory({{"ppc_spapr.ram", 256 << 20}}) == 256 << 20);
  CHECK(memory({{"ram", 2 << 20}}) == 2 << 20);
  CHECK(memory({{"ram-node0", 1 << 20}, {"ram-node1", 2 << 20}}) == 3 << 20);
  CHECK(memory({{"flash", 262144}, {"sram", 8192}}) == 0);
  CHECK(memory({}) == 0);
}

TEST_CASE("memory with a name of its user's is asked for by it", "[analysis]") {
  auto start = Guest().ram({{"mem0", 4 << 20}, {"pc.bios", 262144}}).start();
  CHECK(start.memory_bytes == 4 << 20);
  CHECK(arguments(start) == std::vector<std::string>{"-object memory-backend-ram,id=mem0,size=4M "
                                                     "-machine memory-backend=mem0"});
  auto plugged = Guest().ram({{"pc.ram", 16 << 20}, {"dimm1", 2 << 20}}).start();
  CHECK(plugged.memory_bytes == 16 << 20);
  REQUIRE(plugged.devices.size() == 1);
  CHECK(plugged.devices[0].idstr == "dimm1");
  CHECK(plugged.devices[0].argument.empty());
}

TEST_CASE("what a machine has of itself needs no option", "[analysis]") {
  auto start = Guest()
                   .machine("pc-q35-7.2")
                   .ram({{"pc.ram", uint64_t{2} << 30}})
                   .device("cpu_common")
                   .device("cpu")
                   .device("cpu_common")
                   .device("cpu")
                   .device("mc146818rtc")
                   .device("0000:00:00.0/mch")
                   .device("0000:00:1f.2/ich9_ahci")
                   .device("0000:00:03.0/virtio-net")
                   .device("0000:00:07.0/eeprom")
                   .device("0000:00:07.0/i82559er")
                   .device("0000:00:14.7/ehci")
                   .device("0000:00:0b.0:00.0/e1000")
                   .device("0000:00:04.0/novelty")
                   .device("0000:00:03.0/0:0:0/scsi-disk")
                   .start();
  CHECK(start.text() == "-machine pc-q35-7.2 -m 2G -smp 2 -nodefaults");
  CHECK(arguments(start) ==
        std::vector<std::string>{"-device virtio-net-pci,addr=0x3", "-device i82559er,addr=0x7",
                                 "-device usb-ehci,addr=0x14.7", "-device e1000", "",
                                 "-device scsi-hd,channel=0,scsi-id=0,lun=0"});
}

TEST_CASE("devices behind a controller, and those without a place, have options", "[analysis]") {
  Guest guest;
  guest.machine("pc-i440fx-7.2").device("0000:00:04.0/xhci").device("0000:00:04.0/4.1/usb-storage");
  guest.device("0000:00:04.0/4.1/0:0:0/scsi-disk").device("0000:00:04.0/1/usb-ptr");
  guest.device("0000:00:05.0/0:12:3/scsi-disk").device("0000:00:04.0/x/usb-kbd").device("slirp");
  guest.device("sb16").device("novelty");
  CHECK(arguments(guest.start()) ==
        std::vector<std::string>{"-device qemu-xhci,addr=0x4", "-device usb-storage,port=4.1",
                                 "-device usb-tablet,port=1",
                                 "-device scsi-hd,channel=0,scsi-id=12,lun=3",
                                 "-netdev user,id=net", "-device sb16"});
  CHECK(arguments(Guest().machine("virt-7.2").device("slirp").start()).empty());
}

TEST_CASE("a PC with a parallel port has been started with its defaults", "[analysis]") {
  Guest with;
  with.machine("pc-i440fx-7.2").device("serial").device("parallel_isa").device("0000:00:02.0/vga");
  auto start = with.start();
  CHECK(start.text() == "-machine pc-i440fx-7.2");
  CHECK(arguments(start) == std::vector<std::string>{"-device VGA,addr=0x2"});
  Guest without;
  without.machine("pc-i440fx-7.2").device("serial").device("mc146818rtc");
  CHECK(arguments(without.start()) == std::vector<std::string>{"-device isa-serial"});
}

TEST_CASE("what only some destinations have is asked for", "[analysis]") {
  auto start = Guest().machine("isapc", true).device("kvmclock").start();
  CHECK(start.text() == "-machine isapc -accel kvm -uuid 00000000-0000-0000-0000-000000000000");
  std::vector<std::byte> power(304 + 287 * 8);
  append(power, 0x004e1200, 8);
  CHECK(Guest().machine("pseries-7.2").device("cpu", power, 5).start().cpu == "power9_v2.0");
  CHECK(Guest().machine("virt-7.2").device("cpu", power, 5).start().cpu.empty());
}

TEST_CASE("a name from a stream stays one word of a command line", "[analysis]") {
  CHECK(Guest().machine("pc; reboot").start().text() == "-machine 'pc; reboot'");
  auto start = Guest().device("virtio-mmio@0a/x$(reboot)").start();
  CHECK(arguments(start) == std::vector<std::string>{"-device 'x$(reboot)-device'"});
}

TEST_CASE("the RTC tells the guest's date and the time of the save", "[analysis]") {
  // Set 100 s before the save, when the host's clock showed another date.
  auto body = rtc_body(kDate - 100, 1'700'000'000 * kNanoseconds);
  auto clocks = Guest().device("mc146818rtc", body, 3).clocks();
  CHECK(clocks.rtc_seconds == kDate);
  CHECK(clocks.saved_seconds == 1'700'000'100);
}

TEST_CASE("an RTC that does not go by the host's clock tells no time of the save", "[analysis]") {
  auto saved = [](const std::vector<std::byte>& body, uint32_t version) {
    return Guest().device("mc146818rtc", body, version).clocks().saved_seconds;
  };
  CHECK_FALSE(saved(rtc_body(kDate, 5 * kNanoseconds), 3));            // it goes by the guest's own
  CHECK_FALSE(saved(rtc_body(kDate, kDate * kNanoseconds), 2));        // an older form
  CHECK_FALSE(saved(rtc_body(kDate, kDate * kNanoseconds, 0x82), 3));  // it stands still
}

TEST_CASE("the RTC's forms of numbers are read", "[analysis]") {
  auto date = [](std::vector<std::byte> body) {
    return Guest().device("mc146818rtc", body, 3).clocks().rtc_seconds;
  };
  auto body = rtc_body(0, 0);
  body[4] = std::byte{0x90};  // 10 in the afternoon
  body[0x0b] = std::byte{0};
  CHECK(date(body) == kDate);
  body[4] = std::byte{0x92};  // noon
  CHECK(date(body) == kDate - 10 * 3600);
  for (auto [place, value] :
       {std::pair{0, 51}, {2, 19}, {4, 22}, {7, 20}, {8, 11}, {9, 26}, {0x32, 20}}) {
    body[static_cast<size_t>(place)] = static_cast<std::byte>(value);
  }
  body[0x0b] = std::byte{0x06};  // binary, of 24 hours
  CHECK(date(body) == kDate);
  body[0x32] = std::byte{1};  // of 1900
  CHECK(date(body) == kDate);
  body[8] = std::byte{13};
  CHECK_FALSE(date(body));
  CHECK_FALSE(date(std::vector<std::byte>(127)));
}

TEST_CASE("other clocks are read where they are", "[analysis]") {
  std::vector<std::byte> kvmclock;
  append(kvmclock, 1913096523, 8);
  std::vector<std::byte> timer(16);
  append(timer, 90 * kNanoseconds, 8);
  std::vector<std::byte> pl031;
  append(pl031, kDate - 90, 4);
  auto clocks = Guest()
                    .device("kvmclock", kvmclock)
                    .device("pl031", pl031)
                    .device("timer", timer, 2)
                    .clocks();
  CHECK(clocks.kvmclock_ns == 1913096523);
  CHECK(clocks.run_ns == 90 * kNanoseconds);
  CHECK(clocks.rtc_seconds == kDate);
  CHECK(Guest().device("kvmclock", {}).device("timer", {}, 2).clocks() == GuestClocks{});
}
