// SPDX-License-Identifier: MIT
// QEMU's messages name sections and fields but give no offsets. Each is taken apart by a pattern in
// which * stands for what varies. tests/guest/refusals_test.py has a real QEMU say most of them.
#include <algorithm>
#include <array>

#include "analysis/explain/message_explainer.h"

namespace vmstream::analysis {
namespace {

struct Message {
  std::string_view pattern;
  void (MessageExplainer::*explain)(const Words&);
};

// Those of several releases. Of two that fit a line, the first is taken.
constexpr std::array kMessages{
    Message{"Bad config data: i=* read: * device: * cmask: * ", &MessageExplainer::pci_config},
    Message{"Failed to load XBZRLE page*", &MessageExplainer::xbzrle},
    Message{"Failed to decompress XBZRLE page*", &MessageExplainer::xbzrle},
    Message{"Failed to load *:*", &MessageExplainer::field},
    Message{"Unknown savevm section or instance '*' *", &MessageExplainer::unknown_section},
    Message{"Unknown savevm section type *", &MessageExplainer::unknown_record},
    Message{"Unknown section type *", &MessageExplainer::unknown_record},
    Message{"Unknown savevm section *", &MessageExplainer::unknown_slice},
    Message{"unsupported version * for '*' v*", &MessageExplainer::version},
    Message{"*: incoming version_id * is too new for local version_id *",
            &MessageExplainer::inner_version},
    Message{"*: incoming version_id * is too old for local minimum version_id *",
            &MessageExplainer::inner_version},
    Message{"Missing section footer for *", &MessageExplainer::footer},
    Message{"Mismatched section id in footer for * - read *", &MessageExplainer::footer},
    Message{"error while loading state for instance * of device '*'", &MessageExplainer::loading},
    Message{"error while loading state section id *(*)", &MessageExplainer::loading_slice},
    Message{"Length mismatch: *: ", &MessageExplainer::block_length},
    Message{"Size mismatch: *: ", &MessageExplainer::block_length},
    Message{"Unknown ramblock \"*\"", &MessageExplainer::unknown_block},
    Message{"Unknown ramblock *", &MessageExplainer::unknown_block},
    Message{"Mismatched RAM page size * (local) * != *", &MessageExplainer::page_size},
    Message{"Unknown combination of migration flags: *", &MessageExplainer::page_record},
    Message{"Illegal RAM offset *", &MessageExplainer::page_record},
    Message{"Can't find block *", &MessageExplainer::page_record},
    Message{"Ack, bad migration stream!*", &MessageExplainer::page_record},
    Message{"Received an unexpected compressed page*", &MessageExplainer::compressed},
    Message{"Machine type received is '*' and local is '*'", &MessageExplainer::machine},
    Message{"Configuration section missing*", &MessageExplainer::no_configuration},
    Message{"Capability * is *, but received capability is *", &MessageExplainer::capability},
    Message{"UUID received is * and local is *", &MessageExplainer::uuid},
    Message{"UUID is received *, but local uuid isn't set*", &MessageExplainer::uuid},
    Message{"Not a migration stream*", &MessageExplainer::not_a_stream},
    Message{"SaveVM v2 format is obsolete*", &MessageExplainer::stream_version},
    Message{"Unsupported migration stream version*", &MessageExplainer::stream_version},
    Message{"Expected vmdescription section, but got *", &MessageExplainer::description},
    Message{"load of migration failed: *", &MessageExplainer::general},
};

void explain_line(std::string_view line, MessageExplainer& explainer) {
  for (const Message& known : kMessages) {
    auto words = match_message(known.pattern, line);
    if (!words) continue;
    (explainer.*known.explain)(*words);
    return;
  }
}

}  // namespace

std::vector<Advice> explain_message(const LoadFindings& found, std::string_view message) {
  MessageExplainer explainer(found, message);
  while (!message.empty()) {
    size_t end = std::min(message.find_first_of("\r\n"), message.size());
    explain_line(message.substr(0, end), explainer);
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return explainer.take();
}

}  // namespace vmstream::analysis
