// SPDX-License-Identifier: MIT
#include "guest/migration/migration_settings.h"

#include "guest/monitor/query.h"

namespace vmstream {
namespace {

QmpCommand to_set(const MigrationSettings::Capabilities& wanted) {
  Json list = Json::array();
  for (const auto& [name, on] : wanted) list.push_back({{"capability", name}, {"state", on}});
  return {"migrate-set-capabilities", {{"capabilities", list}}};
}

QmpCommand to_set(const MigrationSettings::Parameters& wanted) {
  return {"migrate-set-parameters", Json(wanted)};
}

Status tell(QmpClient& qmp, const QmpCommand& command) {
  auto done = qmp.execute(command.name, to_text(command.arguments));
  return done ? ok() : Status(done.error());
}

}  // namespace

Result<MigrationSettings> MigrationSettings::read(QmpClient& qmp) {
  MigrationSettings found;
  auto capabilities = ask(qmp, "query-migrate-capabilities");
  if (!capabilities) return capabilities.error();
  if (capabilities->is_array()) {
    for (const Json& entry : *capabilities) {
      found.capabilities_[text_member(entry, "capability")] = true_member(entry, "state");
    }
  }
  auto parameters = ask(qmp, "query-migrate-parameters");
  if (!parameters) return parameters.error();
  for (const auto& [name, value] : parameters->items()) {
    if (value.is_number_unsigned() || value.is_boolean()) found.parameters_[name] = value;
  }
  return found;
}

Status MigrationSettings::set_capabilities(QmpClient& qmp, const Capabilities& wanted) {
  Capabilities change;
  Capabilities undo;
  for (const auto& [name, on] : wanted) {
    auto found = capabilities_.find(name);
    if (found == capabilities_.end() || found->second == on) continue;
    change.emplace_back(name, on);
    undo.emplace_back(name, found->second);
  }
  if (change.empty()) return ok();
  changed_capabilities_ = undo;  // also when the answer is lost
  return tell(qmp, to_set(change));
}

Status MigrationSettings::set_parameters(QmpClient& qmp, const Parameters& wanted) {
  Parameters change;
  for (const auto& [name, value] : wanted) {
    auto found = parameters_.find(name);
    if (found == parameters_.end() || found->second == value) continue;
    change[name] = value;
    owe_parameter(name);
  }
  return change.empty() ? ok() : tell(qmp, to_set(change));
}

Status MigrationSettings::put_back(QmpClient& qmp) {
  if (!changed_parameters_.empty()) {
    if (auto done = tell(qmp, to_set(changed_parameters_)); !done) return done;
    changed_parameters_.clear();
  }
  if (!changed_capabilities_.empty()) {
    if (auto done = tell(qmp, to_set(changed_capabilities_)); !done) return done;
    changed_capabilities_.clear();
  }
  return ok();
}

std::vector<QmpCommand> MigrationSettings::way_back() const {
  return {to_set(changed_capabilities_), to_set(changed_parameters_)};
}

}  // namespace vmstream
