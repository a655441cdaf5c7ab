// SPDX-License-Identifier: MIT
#include <vmstream/report.h>

#include <algorithm>
#include <utility>

#include <vmstream/cpu_registers.h>
#include <vmstream/ram_usage.h>
#include <vmstream/verification.h>
#include "analysis/report/page_pictures.h"
#include "analysis/report/report_page.h"
#include "analysis/report/screen.h"

namespace vmstream {

struct ReportCollector::State {
  DeviceCollector devices;
  Verifier verifier;
  RamUsageCollector ram_collector;
  PagePictures pictures;
  ScreenMemory screen_memory;

  // After finish().
  StreamSummary summary;
  RamUsage ram;
  std::optional<PhysicalMap> map;
  std::string map_fault;
  std::vector<CpuRegisters> cpus;
  std::string cpu_fault;
  std::optional<Screen> screen;
};

ReportCollector::ReportCollector() : VisitorList({}), state_(std::make_unique<State>()) {
  add(&state_->devices);
  add(&state_->verifier);
  add(&state_->ram_collector);
  add(&state_->pictures);
  add(&state_->screen_memory);
}

ReportCollector::~ReportCollector() = default;

void ReportCollector::use_schema(DeviceSchema schema) {
  state_->devices.use_schema(std::move(schema));
}

void ReportCollector::set_stream_place(std::optional<uint64_t> place) {
  state_->verifier.set_stream_place(place);
}

namespace {

bool is_vga(const DeviceSection& section) {
  return section.header.idstr.ends_with("vga") || section.header.idstr.ends_with("VGA");
}

}  // namespace

void ReportCollector::finish(const ScanResult& scan, const std::vector<PlacedBlock>& placed,
                             const std::vector<Problem>& container_problems) {
  State& state = *state_;
  state.summary = state.devices.finish(scan);
  auto verified = state.verifier.finish(scan);
  state.summary.problems = std::move(verified.problems);
  state.summary.load = std::move(verified.load);
  for (const Problem& problem : container_problems) state.summary.problems.add(problem);
  state.ram = state.ram_collector.finish();
  auto map = PhysicalMap::make(state.devices, state.summary, nullptr, placed);
  if (map) {
    state.map = std::move(*map);
  } else {
    state.map_fault = map.error().message;
  }
  auto cpus = read_cpu_registers(state.devices);
  if (cpus) {
    state.cpus = std::move(*cpus);
  } else {
    state.cpu_fault = cpus.error().message;
  }
  auto vga = std::ranges::find_if(state.devices.sections(), is_vga);
  if (vga == state.devices.sections().end()) return;
  state.screen = read_screen(state.devices.decode(*vga).state, state.screen_memory.bytes());
}

const ProblemLog& ReportCollector::problems() const {
  return state_->summary.problems;
}

Status ReportCollector::write_page(const ReportSubject& subject, ByteSink& sink) const {
  const State& state = *state_;
  std::string page = report_page({.subject = subject,
                                  .summary = state.summary,
                                  .ram = state.ram,
                                  .pages = state.pictures.blocks(),
                                  .devices = state.devices,
                                  .map = state.map,
                                  .map_fault = state.map_fault,
                                  .cpus = state.cpus,
                                  .cpu_fault = state.cpu_fault,
                                  .screen = state.screen});
  return sink.write(std::as_bytes(std::span(page)));
}

}  // namespace vmstream
