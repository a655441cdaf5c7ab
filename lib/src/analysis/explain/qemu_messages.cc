// SPDX-License-Identifier: MIT
// QEMU's messages name sections and fields but give no offsets. Each is taken apart by a pattern
// (match_front() tells its marks), and a handler looks for what it names. A message that is not
// known yet takes a row here and, where none of the handlers does, one more of them.
//
// QEMU up to 10 prints a line for each level, the innermost first, and the device last. QEMU 11
// puts all of it into one line, the device first. tests/cli/inspect/explain_test.py has messages of
// both, tests/guest/refusals_test.py has a real QEMU say most of them.
#include <algorithm>
#include <array>
#include <system_error>

#include "analysis/explain/message_explainer.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

using Explainer = MessageExplainer;

struct Message {
  std::string_view pattern;
  void (Explainer::*explain)(const Words&);
};

// Those of several releases. Of two that fit, the first is taken.
constexpr std::array kMessages{
    // How a load ended
    Message{"load of migration failed: *", &Explainer::general},
    Message{"Error # while loading VM state", &Explainer::general},
    Message{"Failed to load device state: #", &Explainer::general},

    // Sections
    Message{"error while loading state for instance # of device '*'", &Explainer::loading},
    Message{"error while loading state section id #(*)", &Explainer::loading_slice},
    Message{
        "Unknown savevm section or instance '*' #. Make sure that your current VM setup matches "
        "your saved VM setup, including any hotplugged devices",
        &Explainer::unknown_section},
    Message{"Unknown section or instance '*' #. Make sure that your current VM setup matches your "
            "saved VM setup, including any hotplugged devices",
            &Explainer::unknown_section},
    Message{"Unknown savevm section or instance '*' #", &Explainer::unknown_section},
    Message{"Unknown section or instance '*' #", &Explainer::unknown_section},
    Message{"Unknown savevm section type #", &Explainer::unknown_record},
    Message{"Unknown section type #", &Explainer::unknown_record},
    Message{"Unknown savevm section #", &Explainer::unknown_slice},
    Message{"Unknown section #", &Explainer::unknown_slice},
    Message{"savevm: unsupported version # for '*' v#", &Explainer::version},
    Message{"unsupported version # for '*' v#", &Explainer::version},
    Message{"Missing section footer for *", &Explainer::footer},
    Message{"Mismatched section id in footer for * - read # expected #",
            &Explainer::footer_of_other},
    Message{"Section footer error, section_id: #", &Explainer::footer_of_id},
    Message{"Read section footer failed: #", &Explainer::ended_early},
    Message{"Failed to read instance/version ID: #", &Explainer::ended_early},
    Message{"Failed to read section ID: #", &Explainer::ended_early},
    Message{"Failed to load VM process command: stream error: #", &Explainer::ended_early},
    Message{"Unable to read ID string for section #", &Explainer::section_name},
    Message{"Failed to load vmstate version_id: #, ret: #", &Explainer::old_style},
    Message{"Load state of device * failed", &Explainer::setup},
    Message{"State blocked by non-migratable device '*'", &Explainer::not_migratable},

    // Fields
    Message{"Failed to load XBZRLE page - wrong compression!", &Explainer::xbzrle},
    Message{"Failed to load XBZRLE page - len overflow!", &Explainer::xbzrle},
    Message{"Failed to load XBZRLE page - decode error!", &Explainer::xbzrle},
    Message{"Failed to decompress XBZRLE page at #", &Explainer::xbzrle},
    Message{"Bad config data: i=# read: # device: # cmask: # wmask: # w1cmask:#",
            &Explainer::pci_config},
    Message{"Bad config data: i=# read: # device: #", &Explainer::pci_config},
    Message{"Failed to load element of type * for @: #", &Explainer::element},
    Message{"Failed to load element of type * for @", &Explainer::element},
    Message{"Failed to load * state: stream error: #", &Explainer::stream_error},
    Message{"Failed to load *:@", &Explainer::field},
    Message{"Input validation failed: * version_id: #", &Explainer::validation},
    Message{"Input validation failed: *", &Explainer::validation},
    Message{"irq state #: must be 0 or 1", &Explainer::refused_value},
    Message{"Invalid value # expecting positive value <= #", &Explainer::refused_value},
    Message{"# != #", &Explainer::refused_value},
    Message{"Loading VM subsection '*' in '*' failed", &Explainer::subsection},
    Message{"VM subsection '*' in '*' does not exist", &Explainer::subsection},
    Message{"pre load hook failed for: '*', version_id: #, minimum version_id: #, ret: #",
            &Explainer::hook},
    Message{"pre load hook failed for: '*', version_id: #, minimum version_id: #",
            &Explainer::hook},
    Message{"post load hook failed for: *, version_id: #, minimum_version: #, ret: #",
            &Explainer::hook},
    Message{"post load hook failed for: *, version_id: #, minimum_version: #", &Explainer::hook},
    Message{"@: incoming version_id # is too new for local version_id #",
            &Explainer::inner_version},
    Message{"@: incoming version_id # is too old for local minimum version_id #",
            &Explainer::inner_version},
    Message{"invalid parameter value: *", &Explainer::run_state},
    Message{"invalid parameter value:", &Explainer::no_run_state},
    Message{"Invalid parameter '*'", &Explainer::run_state},

    // virtio
    Message{"VQ # size # Guest index # inconsistent with Host index #: delta #",
            &Explainer::queue_index},
    Message{"VQ # size # < last_avail_idx # - used_idx #", &Explainer::queue_in_use},
    Message{"VQ # address 0x0 inconsistent with Host index #", &Explainer::queue_without_ring},
    Message{"Invalid number of virtqueues: #", &Explainer::queue_count},
    Message{"Features # unsupported. Allowed features: #", &Explainer::virtio_features},

    // RAM
    Message{"Length mismatch: *: # in != #", &Explainer::block_length},
    Message{"Size mismatch: *: # != #", &Explainer::block_length},
    Message{"Size too large: *: # > #", &Explainer::block_length},
    Message{"Unknown ramblock \"*\", cannot accept migration", &Explainer::unknown_block},
    Message{"Unknown ramblock \"*\"", &Explainer::unknown_block},
    Message{"Unknown ramblock *", &Explainer::unknown_block},
    Message{"Mismatched RAM page size * (local) # != #", &Explainer::page_size},
    Message{"Mismatched GPAs for block * #!= #", &Explainer::guest_address},
    Message{"Unknown combination of migration flags: # (postcopy mode)", &Explainer::page_flags},
    Message{"Unknown combination of migration flags: #", &Explainer::page_flags},
    Message{"Illegal RAM offset #", &Explainer::page_offset},
    Message{"Can't find block *", &Explainer::page_block},
    Message{"Can't find block", &Explainer::page_of_no_block},
    Message{"Getting RAM address failed", &Explainer::page_cut},
    Message{"Ack, bad migration stream!", &Explainer::page_without_block},
    Message{"Found a zero page with value #", &Explainer::fill_page},
    Message{"Received an unexpected compressed page", &Explainer::compressed},
    Message{"Invalid compressed data length: #", &Explainer::compressed},
    Message{"decompress data failed", &Explainer::compressed},
    Message{"Could not read whole mapped-ram migration header (expected #, got # bytes)",
            &Explainer::mapped_ram},
    Message{"Migration mapped-ram capability version not supported (expected <= #, got #)",
            &Explainer::mapped_ram},
    Message{"Error reading ramblock * pages, region has bad alignment", &Explainer::mapped_ram},
    Message{"Error reading dirty bitmap", &Explainer::mapped_ram},
    Message{"failed to read page # from file offset #", &Explainer::mapped_ram},
    Message{"Unexpected RAM flags: #", &Explainer::page_flags},
    Message{"multifd: *", &Explainer::multifd},
    Message{"multifd #: *", &Explainer::multifd},
    Message{"Error: Unknown node alias '*'", &Explainer::dirty_bitmap},
    Message{"Error: Unknown bitmap alias '*' on node '*'", &Explainer::dirty_bitmap},
    Message{"Error: unknown dirty bitmap '*' for block device '*'", &Explainer::dirty_bitmap},
    Message{"Bitmap with the same name ('*') already exists on destination",
            &Explainer::dirty_bitmap},
    Message{"Unknown flags in migrated dirty bitmap header: #", &Explainer::dirty_bitmap},
    Message{"Bitmap migration stream buffer allocation request is too large",
            &Explainer::dirty_bitmap},
    Message{"Migrated bitmap granularity doesn't match the destination bitmap '*' granularity",
            &Explainer::dirty_bitmap},
    Message{"Failed to read bitmap bits", &Explainer::dirty_bitmap},
    Message{"Unable to read node alias string", &Explainer::dirty_bitmap},
    Message{"Unable to read bitmap alias string", &Explainer::dirty_bitmap},
    Message{"Error unknown block device *", &Explainer::block_device},
    Message{"Error getting length of block device *", &Explainer::block_device},
    Message{"Unknown block migration flags: #", &Explainer::block_device},

    // Commands
    Message{"MIG_CMD # unknown (len #)", &Explainer::unknown_command},
    Message{"@ received with bad length - expecting #, got #", &Explainer::command_length},
    Message{"CMD_PACKAGED: Buffer receive fail ret=# length=#", &Explainer::package},
    Message{"Unreasonably large packaged state: #", &Explainer::package},
    Message{"CMD_POSTCOPY_ADVISE *", &Explainer::postcopy_advice},
    Message{"RAM postcopy is enabled but have # byte advise", &Explainer::postcopy_advice},
    Message{"RAM postcopy is disabled but have # byte advise", &Explainer::postcopy_advice},
    Message{"Postcopy needs matching RAM page sizes (s=# d=#)", &Explainer::postcopy_advice},
    Message{"Postcopy needs matching target page sizes (s=# d=#)", &Explainer::postcopy_advice},
    Message{"CMD_@ (#) received with no return path", &Explainer::named_command},
    Message{"CMD_@ in wrong postcopy state (#)", &Explainer::named_command},
    Message{"CMD_@ invalid length (#)", &Explainer::named_command},
    Message{"CMD_@ invalid version (#)", &Explainer::named_command},
    Message{"CMD_@ missing nil (#)", &Explainer::named_command},
    Message{"CMD_@ Failed to read RAMBlock ID", &Explainer::named_command},
    Message{"CMD_@ called when RP already open", &Explainer::named_command},
    Message{"CMD_@ failed", &Explainer::named_command},

    // Head and end
    Message{"Machine type received is '*' and local is '*'", &Explainer::machine},
    Message{"Received TARGET_PAGE_BITS is # but local is #", &Explainer::target_page_bits},
    Message{"Configuration section missing*", &Explainer::no_configuration},
    Message{"Capability * is @, but received capability is @", &Explainer::capability},
    Message{"Received unknown capability *", &Explainer::unknown_capability},
    Message{"UUID received is * and local is @", &Explainer::uuid},
    Message{"UUID is received *, but local uuid isn't set", &Explainer::no_local_uuid},
    Message{"Not a migration stream*", &Explainer::not_a_stream},
    Message{"SaveVM v2 format is obsolete*", &Explainer::stream_version},
    Message{"Unsupported migration stream version*", &Explainer::stream_version},
    Message{"Expected vmdescription section, but got #", &Explainer::description},
};

struct FoundMessage {
  const Message* message = nullptr;
  Words words;
  size_t begin = 0;
  size_t end = 0;
  bool is(void (Explainer::*explain)(const Words&)) const { return message->explain == explain; }
};

struct Reading {
  Statement statement;
  std::vector<FoundMessage> messages;
};

std::optional<FoundMessage> message_at(std::string_view text, size_t at) {
  for (const Message& known : kMessages) {
    char first = known.pattern.front();
    if (first != '@' && first != '#' && first != text[at])
      continue;  // most of them, in the least time
    auto match = match_front(known.pattern, text.substr(at));
    if (match) return FoundMessage{&known, std::move(match->words), at, at + match->length};
  }
  return std::nullopt;
}

// The first message that begins at `from` or at a word behind it.
std::optional<FoundMessage> next_message(std::string_view text, size_t from) {
  constexpr std::string_view kInFront = " '\"([";
  for (size_t at = from; at < text.size(); ++at) {
    bool begins = at == 0 || kInFront.find(text[at - 1]) != std::string_view::npos;
    if (!begins) continue;
    if (auto found = message_at(text, at)) return found;
  }
  return std::nullopt;
}

void trim_end(std::string& word) {
  size_t last = word.find_last_not_of(" :,.;'\")]}");
  word.resize(last == std::string::npos ? 0 : last + 1);
}

// A message that takes the rest takes it up to the next message only.
std::vector<FoundMessage> find_messages(std::string_view text) {
  std::vector<FoundMessage> messages;
  auto found = next_message(text, 0);
  while (found) {
    size_t behind = found->end;
    bool takes_rest = found->message->pattern.ends_with('*');
    if (takes_rest) behind -= found->words.back().size();
    auto next = next_message(text, behind);
    if (takes_rest) {
      found->end = next ? next->begin : text.size();
      found->words.back() = text.substr(behind, found->end - behind);
      trim_end(found->words.back());
    }
    if (found->message->pattern.ends_with('@')) trim_end(found->words.back());
    messages.push_back(std::move(*found));
    found = std::move(next);
  }
  return messages;
}

// A message that a terminal or a mail has broken into two lines.
bool joined(Reading& front, const Statement& rest) {
  constexpr size_t kLongestBytes = 4096;
  size_t seam = front.statement.text.size();
  if (!rest.opens_line || seam + rest.text.size() > kLongestBytes) return false;
  std::string text = front.statement.text + " " + rest.text;
  auto messages = find_messages(text);
  bool crosses = std::ranges::any_of(messages, [&](const FoundMessage& found) {
    return found.begin < seam && found.end > seam && !found.message->pattern.ends_with('*');
  });
  if (crosses) front = {{std::move(text), front.statement.opens_line, false}, std::move(messages)};
  return crosses;
}

std::vector<Reading> read_message(std::string_view text) {
  std::vector<Reading> readings;
  for (Statement& statement : split_statements(text)) {
    auto messages = find_messages(statement.text);
    if (messages.empty() && !readings.empty() && joined(readings.back(), statement)) continue;
    readings.push_back({std::move(statement), std::move(messages)});
  }
  return readings;
}

FailedSection failed_section(std::span<const FoundMessage> load) {
  FailedSection failed;
  for (const FoundMessage& found : load) {
    if (found.is(&Explainer::loading)) {
      failed.instance = parse_number32(found.words[0]);
      failed.idstr = found.words[1];
    }
    if (found.is(&Explainer::footer_of_id)) failed.section_id = parse_number32(found.words[0]);
    if (found.is(&Explainer::general)) {
      failed.unknown_subsection = found.words[0].starts_with("No such file or directory");
    }
  }
  return failed;
}

void explain_load(std::span<const FoundMessage> load, MessageExplainer& explainer) {
  explainer.begin(failed_section(load));
  for (const FoundMessage& found : load) (explainer.*found.message->explain)(found.words);
  explainer.end();
}

// What QEMU says of errors by their numbers names nothing.
bool is_error_name(std::string_view text) {
  constexpr int kErrors = 134;
  for (int number = 1; number < kErrors; ++number) {
    if (std::generic_category().message(number) == text) return true;
  }
  return false;
}

// What is left of a statement between and behind its messages.
void collect_rest(std::string_view text, std::vector<std::string>& rests) {
  constexpr size_t kShownBytes = 200;
  constexpr size_t kMostRests = 100;
  constexpr std::string_view kPunctuation = " :,.;'\"()[]{}";
  size_t first = text.find_first_not_of(kPunctuation);
  if (first == std::string_view::npos || rests.size() == kMostRests) return;
  std::string rest(text.substr(first, text.find_last_not_of(" :,;") + 1 - first));
  if (rest.find(' ') == std::string::npos || is_error_name(rest)) return;
  bool cut = rest.size() > kShownBytes;
  rests.push_back(escape(rest.substr(0, kShownBytes)) + (cut ? " …" : ""));
}

}  // namespace

std::vector<Advice> explain_message(const LoadFindings& found, std::string_view message) {
  constexpr size_t kMostMessages = 64;  // each of them looks through all devices
  MessageExplainer explainer(found);
  std::vector<FoundMessage> load;
  size_t seen = 0;
  for (Reading& reading : read_message(message)) {
    bool ends_load = false;
    for (FoundMessage& one : reading.messages) {
      if (++seen > kMostMessages) break;
      ends_load = ends_load || one.is(&Explainer::general);
      load.push_back(std::move(one));
    }
    if (!ends_load) continue;
    explain_load(load, explainer);
    load.clear();
  }
  if (!load.empty()) explain_load(load, explainer);
  return explainer.take();
}

std::vector<std::string> lines_not_understood(std::string_view message) {
  std::vector<std::string> lines;
  for (const auto& reading : read_message(message)) {
    const auto& [statement, messages] = reading;
    std::string_view text = statement.text;
    if (text.starts_with("warning: ")) continue;
    if (messages.empty() && !statement.before_name) collect_rest(text, lines);
    for (size_t i = 0; i < messages.size(); ++i) {
      size_t end = i + 1 < messages.size() ? messages[i + 1].begin : text.size();
      collect_rest(text.substr(messages[i].end, end - messages[i].end), lines);
    }
  }
  return lines;
}

}  // namespace vmstream
