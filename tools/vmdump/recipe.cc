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

std::string openpgp_recipe(const Options& options) {
  std::string recipe = "gpg -q --compress-algo none";
  if (options.signer) recipe += " -s -u " + quote_for_shell(*options.signer);
  if (options.symmetric) recipe += " -c";
  if (!options.recipients.empty()) recipe += " -e";
  for (const std::string& key : options.recipients) recipe += " -r " + quote_for_shell(key);
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
