// SPDX-License-Identifier: MIT
// What the words of QEMU's messages name, looked up in a stream.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/device_state.h>

#include "analysis/explain/load_findings.h"
#include "analysis/explain/message_words.h"

namespace vmstream::analysis {

/// Has a handler for each kind of message, which takes the words of that message.
class MessageExplainer {
 public:
  /// `message` is all of what QEMU printed: a line may name the device that another is about.
  MessageExplainer(const LoadFindings& found, std::string_view message);

  void unknown_section(const Words& words);
  void unknown_slice(const Words& words);
  void unknown_record(const Words& words);
  void version(const Words& words);
  void inner_version(const Words& words);
  void footer(const Words& words);
  void loading(const Words& words);
  void loading_slice(const Words& words);
  void field(const Words& words);
  void pci_config(const Words& words);

  void not_a_stream(const Words& words);
  void stream_version(const Words& words);
  void machine(const Words& words);
  void no_configuration(const Words& words);
  void capability(const Words& words);
  void uuid(const Words& words);
  void description(const Words& words);

  void block_length(const Words& words);
  void unknown_block(const Words& words);
  void page_size(const Words& words);
  void page_record(const Words& words);
  void xbzrle(const Words& words);
  void compressed(const Words& words);
  void general(const Words& words);

  /// What was found, nothing of it twice.
  std::vector<Advice> take() { return std::move(advice_); }

 private:
  bool is_meant(const KeptDevice& device) const;
  DeviceState decoded(const KeptDevice& device) const;
  const RamBlock* find_block(const std::string& name) const;

  void say(std::optional<uint64_t> offset, std::string text);
  bool say_damage();
  void say_first(PageKind kind, std::string_view text);
  void say_iterable(const std::string& idstr, std::string_view text);
  void say_footer(const KeptDevice& device);
  void say_lost_footer(const std::string& idstr);
  void say_disagreement(const KeptDevice& device);
  void say_field(const KeptDevice& device, const DeviceField& field);
  void say_subsections(const KeptDevice& device, const std::vector<DeviceSubsection>& list);
  void not_found(size_t told, std::string_view what);

  const LoadFindings& found_;
  std::string idstr_;  // of the device that the message names; empty: any
  std::optional<uint32_t> instance_;
  bool unknown_subsection_ = false;
  std::vector<Advice> advice_;
};

}  // namespace vmstream::analysis
