// SPDX-License-Identifier: MIT
#include "analysis/summary/guest_reader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "base/byte_reader.h"

namespace vmstream {
namespace {

constexpr std::array<std::string_view, 5> kReadSections = {"mc146818rtc", "kvmclock", "pl031",
                                                           "timer", "cpu"};
constexpr size_t kMostBytes = 4096;  // of a body, from its begin
constexpr int64_t kNanoseconds = 1'000'000'000;

// Registers of the RTC in its CMOS memory.
enum Cmos : size_t {
  kSeconds = 0x00,
  kMinutes = 0x02,
  kHours = 0x04,
  kDay = 0x07,
  kMonth = 0x08,
  kYear = 0x09,
  kStatusB = 0x0b,
  kCentury = 0x32,
  kCmosBytes = 128
};
constexpr int kFirstYear = 1970;
constexpr int kLastYear = 9999;
constexpr unsigned kBinary = 0x04;
constexpr unsigned k24Hours = 0x02;
constexpr unsigned kSetting = 0x80;  // the guest is about to set the clock: it stands still

class CmosDate {
 public:
  explicit CmosDate(std::span<const std::byte> cmos) : cmos_(cmos) {}

  std::optional<int64_t> seconds() const {
    using namespace std::chrono;
    // Alpha counts from 1900.
    int full_year = number(kCentury) * 100 + number(kYear);
    if (full_year < kFirstYear) full_year += 1900;
    year_month_day date{year(full_year), month(static_cast<unsigned>(number(kMonth))),
                        day(static_cast<unsigned>(number(kDay)))};
    if (full_year < kFirstYear || full_year > kLastYear) return std::nullopt;
    bool is_date = date.ok() && hour() < 24 && number(kMinutes) < 60 && number(kSeconds) < 60;
    if (!is_date) return std::nullopt;
    int64_t days = sys_days(date).time_since_epoch().count();
    return ((days * 24 + hour()) * 60 + number(kMinutes)) * 60 + number(kSeconds);
  }

  bool stands_still() const { return (byte(kStatusB) & kSetting) != 0; }

 private:
  unsigned byte(size_t place) const { return std::to_integer<unsigned>(cmos_[place]); }

  // Binary or two decimal digits; more than any of these can be where it is neither.
  int decode(unsigned value) const {
    if ((byte(kStatusB) & kBinary) != 0) return static_cast<int>(value);
    bool is_decimal = (value & 0x0f) < 10 && value >> 4 < 10;
    return is_decimal ? static_cast<int>((value >> 4) * 10 + (value & 0x0f)) : 255;
  }

  int number(size_t place) const { return decode(byte(place)); }

  int hour() const {
    constexpr unsigned kAfternoon = 0x80;
    if ((byte(kStatusB) & k24Hours) != 0) return number(kHours);
    int half = decode(byte(kHours) & ~kAfternoon) % 12;
    return (byte(kHours) & kAfternoon) != 0 ? half + 12 : half;
  }

  std::span<const std::byte> cmos_;
};

// A clock that counts from a guest's start has not come so far.
bool is_date(uint64_t nanoseconds) {
  constexpr uint64_t kYear2001 = 1'000'000'000'000'000'000;
  return nanoseconds >= kYear2001 && nanoseconds < uint64_t{1} << 63;
}

}  // namespace

void GuestReader::on_section(const SectionHeader& header) {
  header_ = header;
  wanted_ = header.type == SectionType::Full && header.instance_id == 0 &&
            std::ranges::find(kReadSections, header.idstr) != kReadSections.end();
  body_.clear();
}

void GuestReader::on_body(std::span<const std::byte> bytes) {
  if (!wanted_) return;
  auto kept = bytes.first(std::min(bytes.size(), kMostBytes - body_.size()));
  body_.insert(body_.end(), kept.begin(), kept.end());
}

void GuestReader::on_section_end() {
  if (wanted_) read_body();
  wanted_ = false;
}

void GuestReader::read_body() {
  if (header_.idstr == "mc146818rtc") read_cmos();
  if (header_.idstr == "pl031") read_pl031();
  if (header_.idstr == "cpu") read_power();
  ByteReader body(body_);
  if (header_.idstr == "kvmclock") {
    auto clock = body.be<uint64_t>("clock");
    if (body.ok()) clocks_.kvmclock_ns = clock;
  }
  if (header_.idstr == "timer" && header_.version_id == 2) {
    body.be<uint64_t>("cpu_ticks_offset");
    body.be<uint64_t>("unused");
    auto clock = body.be<uint64_t>("cpu_clock_offset");
    if (body.ok() && clock < uint64_t{1} << 63) clocks_.run_ns = clock;
  }
}

// The CMOS memory holds the date of the save. Version 3 tells what it was when the guest set it,
// and the time of the clock that it goes by then: with the difference, that clock at the save.
void GuestReader::read_cmos() {
  constexpr size_t kBeforeBase = 77;  // index, timers and what is no longer used
  ByteReader body(body_);
  auto cmos = body.bytes(kCmosBytes, "cmos_data");
  if (!body.ok()) return;
  CmosDate date(cmos);
  clocks_.rtc_seconds = date.seconds();
  if (header_.version_id != 3 || !clocks_.rtc_seconds || date.stands_still()) return;
  body.bytes(kBeforeBase, "timers");
  auto base = body.be<uint64_t>("base_rtc");
  auto set_at = body.be<uint64_t>("last_update");
  constexpr uint64_t kYear10000 = 253'402'300'800;
  if (!body.ok() || !is_date(set_at) || base >= kYear10000) return;
  int64_t since = *clocks_.rtc_seconds - static_cast<int64_t>(base);
  clocks_.saved_seconds = static_cast<int64_t>(set_at) / kNanoseconds + since;
}

void GuestReader::read_pl031() {
  ByteReader body(body_);
  auto offset = body.be<uint32_t>("tick_offset_vmstate");
  if (body.ok()) pl031_offset_ = offset;
}

// Its general and condition registers and the address of the next instruction stand in front of
// the special registers. Other processors have something else there, and another version.
void GuestReader::read_power() {
  constexpr uint32_t kPowerVersion = 5;
  constexpr size_t kBeforeSpecial = 8 + 32 * 8 + 8 * 4 + 8;
  constexpr size_t kVersionRegister = 287;
  ByteReader body(body_);
  body.bytes(kBeforeSpecial + kVersionRegister * 8, "registers");
  auto version = body.be<uint64_t>("processor version register");
  if (!body.ok() || header_.version_id != kPowerVersion || version > UINT32_MAX) return;
  power_version_ = static_cast<uint32_t>(version);
}

GuestClocks GuestReader::clocks() const {
  GuestClocks clocks = clocks_;
  if (pl031_offset_ && clocks.run_ns && !clocks.rtc_seconds) {
    auto ran = static_cast<int64_t>(*clocks.run_ns) / kNanoseconds;
    clocks.rtc_seconds = (*pl031_offset_ + ran) & 0xffffffff;
  }
  return clocks;
}

}  // namespace vmstream
