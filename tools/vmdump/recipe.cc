// SPDX-License-Identifier: MIT
#include "vmdump/recipe.h"

#include <fmt/format.h>

#include <vmstream/command.h>

namespace vmdump {
namespace {

using vmstream::quote_for_shell;

std::string compression_recipe(const Options& options) {
  if (options.filter) return *options.filter;
  auto [coding, level] = chosen_compression(options);
  if (coding == vmstream::Coding::None) return "cat";
  const auto& traits = vmstream::traits_of(coding);
  return fmt::format("{} -{} -c", traits.name, level.value_or(traits.default_level));
}

// gpg takes an address for a part of one, unless it stands in brackets.
std::string key_recipe(const std::string& key) {
  bool is_bare_address = key.find('@') != std::string::npos && !key.starts_with('<');
  return quote_for_shell(is_bare_address ? "<" + key + ">" : key);
}

std::string openpgp_recipe(const Options& options) {
  std::string recipe = "gpg -q --compress-algo none";
  if (options.signer) recipe += " -s -u " + key_recipe(*options.signer);
  if (options.symmetric) recipe += " -c";
  if (!options.recipients.empty()) recipe += " -e";
  for (const std::string& key : options.recipients) recipe += " -r " + key_recipe(key);
  return recipe;
}

}  // namespace

std::string output_recipe(const Options& options) {
  if (options.mapped_ram) return *options.output;
  std::string recipe = compression_recipe(options);
  if (options.is_openpgp()) recipe += " | " + openpgp_recipe(options);
  if (options.exec) return fmt::format("{} | {}", recipe, *options.exec);
  if (*options.output == "-") return recipe;
  return fmt::format("{} > {}", recipe, quote_for_shell(*options.output));
}

}  // namespace vmdump
