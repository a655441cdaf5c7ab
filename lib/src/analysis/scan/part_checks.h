// SPDX-License-Identifier: MIT
// The parts of StreamChecks: each looks at one kind of thing that a stream has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vmstream/device_state.h>
#include <vmstream/vmdesc.h>

#include "analysis/scan/check_log.h"
#include "analysis/scan/device_keeper.h"
#include "analysis/scan/known_names.h"
#include "format/ram/sent_memory.h"

namespace vmstream {

/// Commands: known, of the right length, in an order that QEMU takes. The facts are those of
/// loadvm_process_command() and its handlers in QEMU's migration/savevm.c.
class CommandChecks {
 public:
  /// `log` is borrowed.
  explicit CommandChecks(CheckLog& log) : log_(log) {}

  void check(const Command& command);
  /// SWITCHOVER_START has come: a precopy migration of QEMU 10.0 or later.
  bool has_switched_over() const { return switched_over_; }
  /// POSTCOPY_LISTEN has come: pages follow the devices.
  bool is_in_postcopy() const { return postcopy_steps_ >= 2; }

 private:
  void check_length(const Command& command);
  void check_advice(const Command& command);
  void check_order(const Command& command);
  void check_connection(const Command& command);

  CheckLog& log_;
  size_t postcopy_steps_ = 0;  // ADVISE, LISTEN and RUN that have come
  bool has_return_path_ = false;
  bool switched_over_ = false;
};

/// The content of a ram section: blocks, pages and marks that no load takes. Unpacks what QEMU
/// unpacks. The facts are those of its migration/ram.c, ram-compress.c, xbzrle.c
/// and zero page handling. Memory: a page, and as many problems as a log keeps.
class RamChecks {
 public:
  /// `log` is borrowed.
  explicit RamChecks(CheckLog& log) : log_(log) {}

  /// The page channels of the migration are not missed.
  void set_channels_at_hand() { channels_at_hand_ = true; }
  /// Where the stream begins in the sender's file, if that is known.
  void set_stream_place(std::optional<uint64_t> place) { stream_place_ = place; }

  void on_configuration(const Configuration& configuration);
  void on_ram_blocks(const RamBlockList& list);
  void on_page(const Page& page);
  void on_ram_mark(RamMark mark, uint64_t offset);
  /// Once the whole stream has told which releases can load it: `is_new` where none before 9.0 can,
  /// `is_old` where none after it can.
  void finish(bool is_new, bool is_old);
  /// Of a stream that was read from front to end: whether its memory is in it.
  void check_memory();

 private:
  void check_mapped(const RamBlock& block);
  void check_place(const RamBlock& block);
  void check_delta(const Page& page);
  void check_packed(const Page& page);
  void keep_fill(const Page& page);

  CheckLog& log_;
  bool channels_at_hand_ = false;
  std::optional<uint64_t> stream_place_;
  bool has_configuration_ = false;
  SentMemory memory_;
  std::optional<uint64_t> page_bytes_;
  size_t blocks_seen_ = 0;
  std::vector<Problem> fills_;      // zero pages with a value
  std::vector<std::byte> scratch_;  // a page that nobody wants
};

/// The description of a stream and its device sections, held against each other in both directions:
/// each section is described and decodes as it is described, and each
/// description has its section. Memory: the names of as many sections as kMostNames.
class DescriptionChecks {
 public:
  /// Both are borrowed.
  DescriptionChecks(CheckLog& log, const DeviceKeeper& devices) : log_(log), devices_(devices) {}

  /// A FULL section has come.
  void count(const SectionHeader& header);
  void on_vmdesc(const VmdescRecord& record);
  /// What is not described may have been, in the part that is lost.
  void on_cut_vmdesc(const VmdescRecord& record);
  void finish();
  /// Whether one has come, be it in part.
  bool has_description() const { return has_description_; }
  /// Sections that were held against a description.
  uint64_t described() const { return described_; }

 private:
  using Name = std::pair<std::string, uint32_t>;  // idstr and instance id

  void check_device(const KeptDevice& device, const Vmdesc& vmdesc);
  void check_version(const SectionHeader& header, const VmdescDevice& described);
  void check_virtio(const SectionHeader& header, const DeviceState& state);
  bool is_sound_head(const SectionHeader& header) const;
  void take_off(const VmdescDevice& described);
  void check_left_over(uint64_t vmdesc_offset);

  CheckLog& log_;
  const DeviceKeeper& devices_;
  uint64_t described_ = 0;
  bool has_description_ = false;
  std::map<Name, uint64_t> times_;  // how often each came; some devices share a name and an id
  std::set<Name> undescribed_;
};

/// Device sections of PCs as QEMU writes them, for streams without a description, in which nothing
/// else holds names, versions, instances and lengths of devices against damage. Devices that are
/// not known here may be of any form, and so may all of a stream that is not of a PC.
class KnownDeviceChecks {
 public:
  /// Both are borrowed.
  KnownDeviceChecks(CheckLog& log, const DeviceKeeper& devices) : log_(log), devices_(devices) {}

  /// Something else tells that it is one.
  void take_for_pc() { is_taken_for_pc_ = true; }
  /// That, or sections are there that only PCs have.
  bool is_pc() const;
  /// One of a machine type before 2.4, if the stream has no configuration either.
  bool is_old_pc() const;
  /// Once all sections have come. `versions_are_settled`: a machine type, or none, that a release
  /// known here has, so that no later one may write it in another way.
  void finish(bool is_described, bool versions_are_settled);

 private:
  using Name = std::pair<std::string, uint32_t>;  // idstr and instance id

  bool comes(std::string_view name) const;
  size_t count(const std::string& idstr) const;
  void check_name(const SectionHeader& header);
  void check_known(const KeptDevice& section, const KnownDevice& device);
  void check_version(const SectionHeader& header, const KnownDevice& device);
  void check_instance(const SectionHeader& header, Instances instances);
  void check_processor(const SectionHeader& header);
  void check_length(const KeptDevice& section, const KnownDevice& device);
  void check_nested(const KeptDevice& section, const KnownDevice& device);
  void check_rest(const KeptDevice& section, size_t wanted);
  void tell_rest(const KeptDevice& section, size_t at);
  void check_heads_within(const KeptDevice& section);
  void check_count(const KeptDevice& section, const KnownDevice& device);

  CheckLog& log_;
  const DeviceKeeper& devices_;
  std::set<Name> names_;
  bool is_taken_for_pc_ = false;
  uint32_t spare_versions_ = 0;  // that later releases may have
};

}  // namespace vmstream
