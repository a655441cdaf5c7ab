// SPDX-License-Identifier: MIT
#include "common/around_file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <new>

#include <vmstream/indexing.h>
#include <vmstream/text.h>
#include "common/json_text.h"

namespace vmtools {

using nlohmann::ordered_json;
using vmstream::escape;
using vmstream::LibvirtImage;
using vmstream::OpenPgpFacts;
using vmstream::OpenPgpSignature;
using vmstream::SavedDisk;

namespace {

// "2026-11-21T10:00:00Z"
ordered_json time_json(int64_t seconds) {
  if (seconds == 0) return nullptr;
  return date_text(seconds) + "Z";
}

ordered_json signature_json(const OpenPgpSignature& signature) {
  return {{"status", vmstream::name_of(signature.status)},
          {"fingerprint", or_null(signature.fingerprint)},
          {"user_id", or_null(signature.user_id)},
          {"created", time_json(signature.created)},
          {"file_name", or_null(signature.file_name)},
          {"trust", signature.trust}};
}

ordered_json signatures_json(const OpenPgpFacts& facts) {
  auto list = ordered_json::array();
  for (const auto& signature : facts.signatures) list.push_back(signature_json(signature));
  return list;
}

ordered_json libvirt_json(const LibvirtImage& image) {
  return {
      {"version", image.version},
      {"finished", image.is_finished},
      {"was_running", image.was_running ? ordered_json(*image.was_running) : ordered_json(nullptr)},
      {"format", or_null(image.format)},
      {"domain_name", or_null(escape(image.domain_name))},
      {"uuid", or_null(escape(image.uuid))},
      {"xml_bytes", image.xml.size()},
      {"cookie_bytes", image.cookie.size()},
      {"cookie_cpu", or_null(escape(image.cookie_cpu))}};
}

}  // namespace

ordered_json containers_json(const std::vector<vmstream::Container>& containers) {
  auto list = ordered_json::array();
  for (const auto& container : containers) {
    ordered_json json{{"type", container.type}};
    if (container.content_offset > 0) json["content_offset"] = container.content_offset;
    if (container.snapshot) json["snapshot"] = snapshot_json(*container.snapshot);
    if (const OpenPgpFacts* facts = container.openpgp.get()) {
      json["encrypted"] = facts->encrypted;
      json["recipients"] = facts->complete ? ordered_json(facts->recipients) : nullptr;
      json["signatures"] = facts->complete ? signatures_json(*facts) : nullptr;
    }
    if (const LibvirtImage* image = container.libvirt.get()) json.update(libvirt_json(*image));
    if (!container.member.empty()) json["member"] = escape(container.member);
    if (!container.problems.empty()) json["problems"] = container.problems;
    list.push_back(std::move(json));
  }
  return list;
}

ordered_json snapshot_json(const vmstream::ImageSnapshot& snapshot) {
  return {{"id", escape(snapshot.id)},
          {"name", escape(snapshot.name)},
          {"date", time_json(snapshot.date)},
          {"run_ns", snapshot.clock_nanoseconds},
          {"holds_state", snapshot.holds_state()},
          {"state_bytes", snapshot.state_bytes},
          {"disk_bytes", or_null(snapshot.disk_bytes)}};
}

std::string snapshot_text(const vmstream::ImageSnapshot& snapshot) {
  std::string text = fmt::format("'{}' (id {})", escape(snapshot.name), escape(snapshot.id));
  if (snapshot.date == 0) return text;
  return fmt::format("{}, made {} UTC", text, date_text(snapshot.date, ' '));
}

void tell_of_image(Session& session, const std::string& name, vmstream::StateFile& file,
                   bool by_itself) {
  for (const std::string& warning : file.warnings()) session.messages().warning(name, warning);
  auto chosen = file.chosen_snapshot();
  bool is_named = vmstream::StateName::parse(name).snapshot.has_value();
  if (!by_itself || !chosen || is_named) return;
  session.messages().note(name,
                          "its only snapshot with a state is read, " + snapshot_text(*chosen));
}

std::string domain_text(const LibvirtImage& image) {
  std::string name = image.domain_name.empty() ? "not named by its XML" : escape(image.domain_name);
  return image.uuid.empty() ? name : fmt::format("{} ({})", name, escape(image.uuid));
}

std::string libvirt_text(const LibvirtImage& image) {
  std::string text = fmt::format("version {}", image.version);
  if (!image.is_finished) text += ", UNFINISHED";
  if (!image.format.empty()) text += ", format " + image.format;
  if (image.was_running) text += *image.was_running ? ", was running" : ", was paused";
  if (!image.cookie_cpu.empty()) text += ", processor " + escape(image.cookie_cpu);
  return text;
}

std::string signature_text(const OpenPgpSignature& signature) {
  std::string who = signature.user_id.empty()
                        ? signature.fingerprint
                        : fmt::format("{} ({})", signature.user_id, signature.fingerprint);
  std::string text = fmt::format("{} signature of {}", vmstream::name_of(signature.status), who);
  if (signature.status == vmstream::SignatureStatus::NoKey) {
    text = fmt::format("signature of {} not checked: the key is not here", who);
  }
  if (signature.created != 0) {
    text += fmt::format(", made {} UTC", date_text(signature.created, ' '));
  }
  if (!signature.file_name.empty()) text += fmt::format(", as '{}'", signature.file_name);
  return fmt::format("{}, trust {}", text, signature.trust);
}

void tell_signatures(Session& session, const std::string& file,
                     const std::vector<vmstream::Container>& containers) {
  for (const auto& container : containers) {
    if (!container.openpgp) continue;
    for (const OpenPgpSignature& signature : container.openpgp->signatures) {
      bool good = signature.status == vmstream::SignatureStatus::Good;
      if (good) session.messages().detail(signature_text(signature));
      if (!good) session.messages().warning(file, signature_text(signature));
    }
  }
}

std::string encryption_text(const OpenPgpFacts& facts) {
  if (!facts.encrypted) return "not encrypted";
  if (facts.recipients.empty()) return "encrypted to a passphrase";
  return fmt::format("encrypted to {}", fmt::join(facts.recipients, ", "));
}

ordered_json disks_json(const std::vector<SavedDisk>& disks) {
  auto list = ordered_json::array();
  for (const SavedDisk& disk : disks) {
    list.push_back({{"device", escape(disk.device)},
                    {"base", escape(disk.base)},
                    {"base_format", escape(disk.base_format)},
                    {"base_node", escape(disk.base_node)},
                    {"overlay", escape(disk.overlay)},
                    {"overlay_node", escape(disk.overlay_node)},
                    {"argument", or_null(escape(disk.argument))},
                    {"base_time", or_null(escape(disk.base_time))}});
  }
  return list;
}

std::string disk_text(const SavedDisk& disk) {
  return fmt::format("{}: as saved in {} ({})", escape(disk.device), escape(disk.base),
                     escape(disk.base_format));
}

std::string overlay_text(const SavedDisk& disk) {
  return "the guest goes on in " + escape(disk.overlay);
}

void warn_of_changed_disks(Session& session, const std::string& file,
                           const std::vector<SavedDisk>& disks) {
  std::string changed;
  for (const SavedDisk& disk : disks) {
    if (!vmstream::has_changed(disk)) continue;
    changed += (changed.empty() ? "" : ", ") + escape(disk.base);
  }
  if (changed.empty()) return;
  session.messages().warning(
      file, "disks have changed since the save, its memory does not fit them: " + changed);
}

namespace {

// The work is done: that there is no memory for the look must not make a failure of it.
bool has_stale_index(const std::string& file) {
  try {
    return vmstream::has_stale_sidecar(file);
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

void warn_of_stale_index(Session& session, const std::string& file) {
  if (!has_stale_index(file)) return;
  session.messages().warning(vmstream::sidecar_path(file),
                             "is the index of what was there before; it stays and is not used");
}

}  // namespace vmtools
