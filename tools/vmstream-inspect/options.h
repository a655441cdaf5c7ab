// SPDX-License-Identifier: MIT
// The command line of vmstream-inspect.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/result.h>
#include "common/command_line.h"
#include "common/common_options.h"

namespace vminspect {

/// What is asked.
enum class Question {
  Info,
  Sections,
  Devices,
  Device,
  Ram,
  Hexdump,
  Vmdesc,
  Dump,
  Extract,
  Verify,
  Index,
  Explain,
  MemoryMap,
  Registers,
  Report,
  Memory,
  Translate,
  Gdb,
  Mount
};

/// What is extracted.
enum class Part {
  Ram,
  Block,
  Section,
  Stream,
  Vmdesc,
  Xml,
  Cookie,
  Physical,
  Core,
  Kdump,
  Lime,
  Avml
};

/// Whether it is an image of the guest's memory by its addresses.
bool is_image(Part part);

/// How the pages of a kdump file are compressed.
enum class PageCompression { Zlib, Lzo, Zstd };

enum class DumpFormat { Json, Xml, Qemu };

struct InspectOptions {
  vmtools::CommonOptions common;
  vmtools::PassphraseOptions passphrase;
  bool digest = false;
  bool full_scan = false;  ///< read the RAM too, where the ends of the file suffice
  bool passes = false;     ///< ram: the tables and pictures wanted
  bool resends = false;
  bool map = false;
  bool multifd = false;                              ///< the FILEs are parts of one guest
  std::optional<std::string> block;                  ///< extract: of RAM, or a disk
  std::optional<std::string> section;                ///< extract, hexdump: this one only
  std::optional<uint64_t> offset;                    ///< hexdump: from here
  std::optional<uint64_t> length;                    ///< hexdump: so many bytes
  std::optional<std::string> error;                  ///< explain: what QEMU said
  std::optional<std::string> qemu;                   ///< explain: release that is to load it
  std::optional<std::string> output;                 ///< extract: - is stdout
  bool force = false;                                ///< extract: replace a file
  std::optional<uint64_t> instance = std::nullopt;   ///< device: only this one
  std::optional<std::string> schema = std::nullopt;  ///< device, dump: a file with a description
  std::optional<uint64_t> root = std::nullopt;       ///< memory, translate: of the page tables
  bool is_virtual = false;                           ///< memory: by the processor's page tables
  bool raw = false;                                  ///< memory: bytes as they are
  std::optional<uint64_t> cpu = std::nullopt;        ///< registers, …: of this processor
  DumpFormat format = DumpFormat::Json;
  PageCompression compression = PageCompression::Zlib;  ///< extract kdump
  bool with_firmware = false;                           ///< extract: ROMs and memory of devices too
  std::optional<std::string> record = std::nullopt;  ///< extract: where to write down what was done
  std::vector<std::string> places = {};              ///< BLOCK@ADDRESS, as given
  std::optional<std::chrono::milliseconds> idle = std::nullopt;  ///< mount: ends after
  bool background = false;         ///< mount: the tool returns when it is there
  bool no_offsets = false;         ///< dump: leave the places out
  std::vector<std::string> words;  ///< [COMMAND] FILE [...], as given

  // Of the words, by read_words().
  Question question = Question::Info;
  std::string file;
  Part part = Part::Ram;
  std::vector<std::string>
      arguments;  ///< of the command, behind FILE; of verify and with --multifd: more FILEs
};

vmtools::ToolText tool_text();

/// Adds commands and options. `options` is borrowed and filled in by parse().
void add_options(vmtools::CommandLine& line, InspectOptions& options);

/// Sorts the words of a parsed line into command, file and arguments, and refuses options that the
/// command does not know.
vmstream::Status read_words(const vmtools::CommandLine& line, InspectOptions& options);

}  // namespace vminspect
