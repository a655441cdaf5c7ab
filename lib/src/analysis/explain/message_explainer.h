// SPDX-License-Identifier: MIT
// What the words of QEMU's messages name, looked up in a stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/device_state.h>

#include "analysis/explain/load_findings.h"
#include "analysis/explain/message_words.h"

namespace vmstream {

/// Where a load failed, as far as one of its messages tells. All others are about the same place.
struct FailedSection {
  std::string idstr;  ///< empty: not told
  std::optional<uint32_t> instance = std::nullopt;
  std::optional<uint32_t> section_id = std::nullopt;
  bool unknown_subsection = false;  ///< the load ended with "No such file or directory"
};

/// Has a handler for each kind of message, which takes the words of that message. A handler looks
/// at the stream before it says anything: say() is for what is there, and is as the message has it.
class MessageExplainer {
 public:
  explicit MessageExplainer(const LoadFindings& found);

  /// The messages up to end() are those of one load.
  void begin(FailedSection failed);
  void end();

  // section_messages.cc
  void unknown_section(const Words& words);
  void unknown_slice(const Words& words);
  void unknown_record(const Words& words);
  void section_name(const Words& words);
  void version(const Words& words);
  void footer(const Words& words);
  void footer_of_other(const Words& words);
  void footer_of_id(const Words& words);
  void ended_early(const Words& words);
  void loading(const Words& words);
  void loading_slice(const Words& words);
  void old_style(const Words& words);
  void refused_value(const Words& words);
  void setup(const Words& words);
  void not_migratable(const Words& words);

  // field_messages.cc
  void inner_version(const Words& words);
  void subsection(const Words& words);
  void hook(const Words& words);
  void validation(const Words& words);
  void stream_error(const Words& words);
  void field(const Words& words);
  void element(const Words& words);
  void pci_config(const Words& words);
  void run_state(const Words& words);
  void no_run_state(const Words& words);

  // virtio_messages.cc
  void queue_index(const Words& words);
  void queue_in_use(const Words& words);
  void queue_without_ring(const Words& words);
  void queue_count(const Words& words);
  void virtio_features(const Words& words);

  // stream_messages.cc
  void not_a_stream(const Words& words);
  void stream_version(const Words& words);
  void machine(const Words& words);
  void target_page_bits(const Words& words);
  void no_configuration(const Words& words);
  void capability(const Words& words);
  void unknown_capability(const Words& words);
  void uuid(const Words& words);
  void no_local_uuid(const Words& words);
  void description(const Words& words);
  void general(const Words& words);
  void unknown_command(const Words& words);
  void command_length(const Words& words);
  void named_command(const Words& words);
  void postcopy_advice(const Words& words);
  void package(const Words& words);

  // ram_messages.cc
  void block_length(const Words& words);
  void unknown_block(const Words& words);
  void page_size(const Words& words);
  void guest_address(const Words& words);
  void page_flags(const Words& words);
  void page_offset(const Words& words);
  void page_block(const Words& words);
  void page_of_no_block(const Words& words);
  void page_without_block(const Words& words);
  void page_cut(const Words& words);
  void fill_page(const Words& words);
  void xbzrle(const Words& words);
  void compressed(const Words& words);
  void mapped_ram(const Words& words);
  void multifd(const Words& words);
  void dirty_bitmap(const Words& words);
  void block_device(const Words& words);

  /// What was found, the nearest places first, nothing of it twice.
  std::vector<Advice> take();

 private:
  // A place where bytes of the stream are wrong.
  struct Damage {
    uint64_t at = 0;
    uint64_t from = 0;
    std::optional<uint64_t> to = std::nullopt;  // where reading goes on, if it does
    bool cut = false;
    std::string message;
  };
  struct SectionPlace {
    SectionHeader head;
    std::optional<uint64_t> footer_id_at = std::nullopt;
    bool footer_is_sound = false;  // and where the description has it
  };
  enum class Closeness { Exact, Around };
  struct Told {
    Closeness closeness = Closeness::Exact;
    uint64_t length = 0;  // of what stands at the offset
    Advice advice;
  };

  bool is_meant(const KeptDevice& device) const;
  const VmdescDevice* described(const KeptDevice& device) const;
  DeviceState decoded(const KeptDevice& device) const;
  const RamBlock* find_block(const std::string& name) const;
  const Damage* find_damage(std::string_view front, std::string_view words = {}) const;

  void say(std::optional<uint64_t> offset, std::string text, uint64_t length = 0);
  void say_around(std::optional<uint64_t> offset, std::string text);
  void tell(Told told);
  /// Said where nothing of this load was found.
  void miss(std::string text);
  void miss_thing(std::string_view thing);
  void say_damage(const Damage& damage);
  bool say_damage(const Damage* damage);
  bool say_ram_damage(std::string_view words);
  bool say_cut();
  bool has_place() const;
  void say_first(PageKind kind, std::string_view text);
  void say_iterable(const std::string& idstr, std::string_view text);

  std::optional<SectionPlace> find_section(const std::string& idstr, uint32_t section_id) const;
  int fits_ids(const SectionPlace& place, uint32_t id) const;
  bool is_footer_of(const KeptDevice& device, const std::string& idstr) const;
  void say_footer(const KeptDevice& device);
  std::optional<uint64_t> lost_footer(const Damage& damage, const std::string& idstr) const;
  bool say_lost_footer(const std::string& idstr);
  bool say_other_version(const KeptDevice& device);
  bool say_bad_subsection(const KeptDevice& device);
  bool say_disagreement(const KeptDevice& device);
  void say_field(const KeptDevice& device, const DeviceField& field);
  void say_declaration(const std::string& name, std::string_view text);
  void say_subsections(const KeptDevice& device, const std::vector<DeviceSubsection>& list);
  void say_list_length();
  bool say_block(const std::string& name, std::string_view text);
  void say_queue(std::string_view number, std::string_view size, std::string_view last_avail_idx);
  void say_commands(CommandType type, std::optional<uint64_t> length, std::string_view text);
  void say_configuration(std::string_view text);
  void narrow();

  const LoadFindings& found_;
  std::vector<Damage> damage_;
  FailedSection failed_;
  std::vector<Told> told_;
  size_t told_before_ = 0;  // places of the loads before this one
  bool has_told_ = false;   // a place of this load, be it one that was told of before
  std::vector<std::string> missed_;
  std::string reason_;  // said where not even something that is missing was named
};

}  // namespace vmstream
