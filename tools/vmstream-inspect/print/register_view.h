// SPDX-License-Identifier: MIT
// How the registers of a processor look in each format.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/cpu_registers.h>

namespace vminspect {

/// One of the `cpus` of the schema vmstream.registers/1.
nlohmann::ordered_json registers_json(const vmstream::CpuRegisters& cpu);

/// A heading, then the groups in columns; registers with a meaning have a line of their own.
std::string registers_text(const vmstream::CpuRegisters& cpu);

}  // namespace vminspect
