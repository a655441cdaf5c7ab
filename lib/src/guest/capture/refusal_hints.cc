// SPDX-License-Identifier: MIT
#include "guest/capture/refusal_hints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <vmstream/text.h>
#include "guest/monitor/query.h"

namespace vmstream {
namespace {

constexpr const char* kElsewhere =
    "the reason stands on QEMU's standard error, or in the log that it was given";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Of "non-migratable device '0000:00:05.0/nvme'", or of the same behind a colon in a list of what
// is in the way.
std::string_view idstr_in(std::string_view refusal) {
  constexpr std::string_view kFront = "non-migratable device";
  size_t at = refusal.find(kFront);
  if (at == std::string_view::npos) return {};
  refusal.remove_prefix(at + kFront.size());
  refusal.remove_prefix(std::min(refusal.find_first_not_of(" :'"), refusal.size()));
  return refusal.substr(0, refusal.find_first_of(" '"));
}

// Of a device on the first bus: the numbers of others are the guest's to choose.
std::string pci_address(const Json& device) {
  auto number = [&device](const char* key) { return number_member(device, key).value_or(0); };
  return fmt::format("0000:{:02x}:{:02x}.{:x}", number("bus"), number("slot"), number("function"));
}

// As device_del takes it, of "0000:00:05.0/nvme"; empty where it cannot be told.
std::string id_of_pci_device(QmpClient& qmp, std::string_view idstr) {
  auto address = idstr.substr(0, idstr.find('/'));
  auto buses = ask(qmp, "query-pci");
  if (!buses || !buses->is_array()) return {};
  for (const Json& bus : *buses) {
    const Json* devices = find_member(bus, "devices");
    if (!devices || !devices->is_array()) continue;
    for (const Json& device : *devices) {
      if (pci_address(device) == address) return text_member(device, "qdev_id");
    }
  }
  return {};
}

std::string how_to_unplug(QmpClient& qmp, std::string_view idstr) {
  std::string id = idstr.empty() ? "" : id_of_pci_device(qmp, idstr);
  if (id.empty()) id = "ID";
  return fmt::format(
      "unplug it for the save: device_del {} in QEMU's monitor; device_add brings it "
      "back{}",
      escape(id), id == "ID" ? " (info qtree lists the devices)" : "");
}

// Words of QEMU's, of any release, for what the whole device is to blame.
constexpr std::array kBlamesDevice = {"igration is disabled", "igration disabled",
                                      "migration blocker",    "support migration",
                                      "not migratable",       "non-migratable"};

}  // namespace

std::string hint_for_refusal(QmpClient& qmp, std::string_view refusal) {
  if (contains(refusal, "non-migratable CPU device")) {
    return "start QEMU with -cpu ...,invtsc=off, or with tsc-frequency=N for source and "
           "destination";
  }
  auto idstr = idstr_in(refusal);
  if (!idstr.empty()) return how_to_unplug(qmp, idstr);
  if (contains(refusal, "VirtFS")) {
    return "umount -t 9p -a in the guest lets go of it; mount it again after the save";
  }
  for (const char* words : kBlamesDevice) {
    if (contains(refusal, words)) return how_to_unplug(qmp, "");
  }
  return {};
}

std::string where_qemu_speaks(const QmpClient& qmp) {
  std::string log = find_qemu_log(qmp);
  return log.empty() ? kElsewhere : "the reason stands in " + log;
}

}  // namespace vmstream
