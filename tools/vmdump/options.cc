// SPDX-License-Identifier: MIT
#include "vmdump/options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>

#include <vmstream/text.h>
#include "common/output.h"

namespace vmdump {
namespace {

using vmstream::CaptureMode;
using vmstream::Coding;
using vmstream::ConvergenceRules;
using vmstream::Errc;
using vmstream::Error;
using vmstream::FileForm;
using vmstream::Status;

Error usage(std::string message) {
  return Error{Errc::Usage, std::move(message)};
}

Status read_level(std::string_view text, const vmstream::CodingTraits& traits, int& into) {
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, into);
  bool whole = parsed.ec == std::errc{} && parsed.ptr == end;
  if (whole && traits.coding != Coding::None && into >= traits.lowest_level &&
      into <= traits.highest_level) {
    return vmstream::ok();
  }
  if (traits.coding == Coding::None) return usage("none has no level");
  return usage(fmt::format("'{}' is not a level of {}, which has {} to {}", vmstream::escape(text),
                           traits.name, traits.lowest_level, traits.highest_level));
}

// Codings that old files come in are not offered for new ones.
Error not_written(const vmstream::CodingTraits& traits) {
  return Error{
      .code = Errc::Usage,
      .message = fmt::format("{} files are read, not written: want none, gzip, bzip2 or zstd",
                             traits.name),
      .hint = fmt::format("--filter '{} -c' compresses by a command of your own", traits.name)};
}

Status read_compression(const std::string& text, std::optional<Compression>& into) {
  size_t colon = text.find(':');
  auto coding = vmstream::find_coding(text.substr(0, colon));
  if (!coding) {
    return usage(
        fmt::format("'{}' is not one of none, gzip, bzip2, zstd, with :LEVEL behind it "
                    "or not",
                    vmstream::escape(text)));
  }
  if (const auto& traits = vmstream::traits_of(*coding); !traits.writable) {
    return not_written(traits);
  }
  Compression compression{.coding = *coding};
  if (colon != std::string::npos) {
    int level = 0;
    auto read =
        read_level(std::string_view(text).substr(colon + 1), vmstream::traits_of(*coding), level);
    if (!read) return read;
    compression.level = level;
  }
  into = compression;
  return vmstream::ok();
}

Status read_rules(const std::string& text, std::optional<ConvergenceRules>& into) {
  auto rules = ConvergenceRules::parse(text);
  if (!rules) return rules.error();
  into = *rules;
  return vmstream::ok();
}

Status read_passes(const std::string& text, std::optional<uint32_t>& into) {
  auto rules = ConvergenceRules::parse("passes=" + text);
  if (!rules) return usage(fmt::format("'{}' is no number of passes", vmstream::escape(text)));
  into = rules->passes;
  return vmstream::ok();
}

void add_source(vmtools::CommandLine& line, Options& options) {
  line.group("The guest");
  line.text("--qmp", "ADDRESS", options.qmp,
            "QEMU's monitor: PATH or unix:PATH of a unix socket, or tcp:HOST:PORT");
  line.flag("--stdin", options.from_stdin, "the stream arrives on stdin");
  line.text("--libvirt", "[URI#]DOMAIN", options.domain,
            "a domain of libvirt, through libvirt's own dump, which does not taint it: its name, "
            "UUID or id; URI such as qemu:///system chooses the connection");
  line.text("--from", "FILE", options.from,
            "make FILE, a state file of any kind, into another: - is stdin; a damaged one gives "
            "nothing");
  line.exclusive("--qmp", "--stdin");
  line.exclusive("--qmp", "--libvirt");
  line.exclusive("--libvirt", "--stdin");
  line.exclusive("--qmp", "--from");
  line.exclusive("--stdin", "--from");
  line.exclusive("--libvirt", "--from");
  line.choice("--mode", options.mode,
              {{"stop", CaptureMode::Stop},
               {"live", CaptureMode::Live},
               {"background", CaptureMode::Background},
               {"auto", CaptureMode::Auto}},
              "stop: the guest stands still while it is saved; live: it runs, and stands still for "
              "the rest; background: it runs, the file holds its state as of the start; auto: "
              "background, else live, else stop (stop)");
  line.choice("--after", options.after,
              {{"keep", vmstream::After::Keep},
               {"pause", vmstream::After::Pause},
               {"quit", vmstream::After::Quit}},
              "what becomes of the guest after success; keep: goes on as it was found (keep)");
  line.text(
      "--disk-snapshot", "DIR", options.disk_folder,
      "in the same pause take a snapshot of every disk that the guest can write to: it goes on "
      "in an overlay in DIR");
  line.flag("--with-secrets", options.with_secrets,
            "keep passwords in the description of a --libvirt domain, which the index or the save "
            "image gets; they are replaced by empty ones, which let nobody in");
  line.rate("--max-bandwidth", options.max_bandwidth,
            "read no faster than this, such as 100M/s (unlimited)");
  line.duration(
      "--timeout", options.timeout,
      "give up after TIME, a number with ms, s, min or h, and put the guest back (never)");
}

void add_live(vmtools::CommandLine& line, Options& options) {
  line.group("Live saves (need --mode live or auto)");
  line.value(
      "--converge", "RULES",
      "when to stop the guest and send the rest: when so many pages are left, when so many passes "
      "fell behind the guest, or after so many passes (dirty-pages=50,stalls=2,passes=30)",
      [&options](const std::string& text) { return read_rules(text, options.converge); });
  line.value("--max-passes", "N", "the same as passes=N among the rules",
             [&options](const std::string& text) { return read_passes(text, options.max_passes); });
  line.duration("--downtime-limit", options.downtime_limit,
                "QEMU ends the save by itself when the rest takes no longer (as QEMU is set)");
  line.flag("--auto-converge", options.auto_converge,
            "slow the guest's processors down until the save keeps up with it");
}

void add_target(vmtools::CommandLine& line, Options& options) {
  line.group("The file");
  line.text("-o,--output", "FILE", options.output,
            "write FILE; - is stdout. Suffixes .gz, .bz2 and .zst choose the coding, .xz, .lz4 and "
            ".lzo are refused, any other means zstd");
  line.text("--exec", "COMMAND", options.exec,
            "hand the finished bytes to COMMAND, which must read all of them and exit 0");
  line.text("--then", "COMMAND", options.then,
            "with --exec: run COMMAND when all has succeeded, to publish what was written aside; "
            "it must exit 0");
  line.exclusive("--output", "--exec");
  line.choice("--to", options.form,
              {{"qevm", FileForm::Qevm},
               {"libvirt", FileForm::Libvirt},
               {"mapped-ram", FileForm::MappedRam}},
              "what FILE becomes; qevm: the stream, packed; libvirt: an image for virsh restore, "
              "packed with -c only; mapped-ram: uncompressed, with a place for each page, which "
              "QEMU 9.0 loads by itself (qevm)");
  vmtools::add_libvirt_options(line, options.domain_texts);
  line.flag("--cont", "with --to libvirt: the guest runs once it is restored",
            [&options] { options.runs = true; });
  line.flag("--paused", "with --to libvirt: it stays paused (as saved)",
            [&options] { options.runs = false; });
  line.exclusive("--cont", "--paused");
  line.value(
      "-c,--compress", "CODING[:LEVEL]",
      "none, gzip, bzip2 or zstd, whatever the suffix (zstd:3, gzip:6, bzip2:9)",
      [&options](const std::string& text) { return read_compression(text, options.compression); });
  line.text("--filter", "COMMAND", options.filter,
            "compress by COMMAND, a filter that must exit 0");
  line.exclusive("--compress", "--filter");
  line.size("--max-size", options.max_size,
            "fail before the file becomes larger than SIZE, a number with k, M, G or T");
  line.choice("--over-size", options.over_size,
              {{"finish", OverSize::Finish}, {"fail", OverSize::Fail}},
              "finish: a live save stops the guest early, so that the rest fits (finish)");
  line.flag("--compact", options.compact,
            "write each page once, in the order of the memory; during the save the plain stream is "
            "kept beside FILE");
  line.flag("--mapped-ram", options.mapped_ram,
            "let QEMU (9.0) write FILE itself, uncompressed, with a place for each page; --threads "
            "says by how many channels");
  line.exclusive("--mapped-ram", "--to");
  line.flag("--direct-io", options.direct_io, "let it write pages past the page cache (9.1)");
  line.flag("--no-index", options.no_index,
            "leave out the index after the blocks of gzip and zstd files, or beside a file of "
            "--mapped-ram");
  line.flag("--verify", options.verify,
            "read the finished file back from the disk before success is reported");
  line.flag("--force", options.force, "overwrite FILE; write to a terminal");
  line.flag("--explain", options.explain,
            "print the QMP commands and the equivalent shell recipe, do nothing");
  line.flag(
      "--dry-run", options.dry_run,
      "do all that comes before the guest is touched: monitor, mode, keys, output, disks; fail "
      "where the save would; with --from: read all of FILE, write nothing");
  line.exclusive("--explain", "--dry-run");
}

void add_openpgp(vmtools::CommandLine& line, Options& options) {
  line.group("OpenPGP (by gpg, around the compressed file; suffix .gpg)");
  line.texts(
      "-e,--encrypt-to", "KEY", options.recipients,
      "encrypt to this key: a full fingerprint, the whole mail address of one valid key, or the "
      "16-digit id of a key of your own; may be repeated");
  line.flag("--symmetric", options.symmetric, "encrypt to a passphrase");
  line.text("--sign", "KEY", options.signer, "sign with this key");
  line.text("--require-signature", "KEY", options.required_signer,
            "with --from: refuse a FILE that this key has not signed");
  vmtools::add_passphrase_options(line, options.passphrase);
}

constexpr std::array<std::string_view, 2> kOpenPgpSuffixes{".gpg", ".pgp"};

std::string_view without_openpgp_suffix(std::string_view name) {
  for (auto suffix : kOpenPgpSuffixes) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

// A name that promises encryption must not hold plain memory.
Status check_openpgp(const Options& options) {
  if (options.passphrase.uses_stdin() && (options.from_stdin || options.from == "-")) {
    return usage("the stream and --passphrase-fd 0 both want stdin");
  }
  if (!options.output || options.is_openpgp() || options.filter) return vmstream::ok();
  const std::string& name = *options.output;
  if (name.ends_with(".asc")) {
    return Error{.code = Errc::Unsupported,
                 .message = "ASCII armor is not written",
                 .hint = "suffix .gpg and -e KEY write the same message in fewer bytes"};
  }
  if (without_openpgp_suffix(name).size() == name.size()) return vmstream::ok();
  return usage("the suffix asks for encryption: -e KEY, --symmetric or --sign KEY is needed");
}

bool may_be_live(const Options& options) {
  return options.mode == CaptureMode::Live || options.mode == CaptureMode::Auto;
}

// Options of a mode that is not asked for would be ignored in silence.
Status check_live(const Options& options) {
  if (!options.has_guest() && options.mode != CaptureMode::Stop) {
    return usage("--mode needs --qmp or --libvirt");
  }
  bool sets_live =
      options.converge || options.max_passes || options.downtime_limit || options.auto_converge;
  if (may_be_live(options) || !sets_live) return vmstream::ok();
  return usage(
      "--converge, --max-passes, --downtime-limit and --auto-converge need --mode live or auto");
}

// Nothing but a live save can end early, and a compact file does not grow with its passes.
Status check_size(const Options& options) {
  if (!options.over_size) return vmstream::ok();
  if (!options.max_size) return usage("--over-size needs --max-size");
  if (*options.over_size == OverSize::Fail) return vmstream::ok();
  if (!may_be_live(options)) return usage("--over-size finish needs --mode live or auto");
  if (!options.compact) return vmstream::ok();
  return usage("--over-size finish is not for --compact, whose file does not grow with the passes");
}

// libvirt's dump ends by itself.
Status check_domain(const Options& options) {
  if (!options.domain) {
    return options.with_secrets ? usage("--with-secrets needs --libvirt") : vmstream::ok();
  }
  if (options.converge || options.max_passes || options.downtime_limit || options.auto_converge ||
      options.over_size == OverSize::Finish) {
    return usage(
        "--converge, --max-passes, --downtime-limit, --auto-converge and --over-size finish are "
        "not for --libvirt, whose dump comes to its end by itself");
  }
  return vmstream::ok();
}

Status check_source(const Options& options) {
  if (!options.has_guest() && !options.from_stdin && !options.from) {
    return usage(
        "nothing to save: --qmp ADDRESS, --libvirt DOMAIN, --stdin or --from FILE is needed");
  }
  if (options.required_signer && !options.from) return usage("--require-signature needs --from");
  if (!options.has_guest() && (options.after != vmstream::After::Keep || options.max_bandwidth ||
                               options.disk_folder || options.explain)) {
    return usage("--after, --max-bandwidth, --disk-snapshot and --explain need --qmp or --libvirt");
  }
  if (options.dry_run && options.from_stdin) {
    return usage("--dry-run needs --qmp, --libvirt or --from");
  }
  if (options.max_bandwidth == 0) return usage("--max-bandwidth: 0 would never end");
  if (options.timeout == std::chrono::milliseconds(0)) return usage("--timeout: 0 leaves no time");
  if (auto domain = check_domain(options); !domain) return domain;
  return check_live(options);
}

// QEMU writes plain pages into a file: nothing can stand between.
Status check_lent(const Options& options) {
  if (!options.mapped_ram) {
    return options.direct_io ? usage("--direct-io needs --mapped-ram") : vmstream::ok();
  }
  if (options.qmp && options.output.value_or("-") != "-") return vmstream::ok();
  return Error{.code = Errc::Usage,
               .message = "--mapped-ram has QEMU write a file: it needs --qmp ADDRESS and -o FILE",
               .hint = "--to mapped-ram makes such a file of any stream"};
}

Status check_mapped(const Options& options) {
  if (auto lent = check_lent(options); !lent || !options.is_mapped()) return lent;
  if (options.output.value_or("-") == "-") {
    return usage("--to mapped-ram is written by position: it needs -o FILE");
  }
  bool is_coded = options.compression && options.compression->coding != Coding::None;
  if (is_coded || options.filter || options.is_openpgp()) {
    return usage("mapped-ram files are neither compressed nor encrypted");
  }
  if (vmstream::find_coding_by_suffix(*options.output)) {
    return usage("the suffix asks for compression, which mapped-ram files do not have");
  }
  if (!options.compact && !options.max_size) return vmstream::ok();
  return usage("--compact and --max-size are not for mapped-ram files, which have each page once");
}

// It is published by position, and read by libvirt alone.
Status check_libvirt(const Options& options) {
  auto given = vmtools::check_libvirt_options(options.domain_texts, options.form);
  if (!given || options.form != FileForm::Libvirt) {
    return given && options.runs ? usage("--cont and --paused need --to libvirt") : given;
  }
  if (options.output.value_or("-") == "-") {
    return usage("--to libvirt is written by position: it needs -o FILE");
  }
  if (!options.filter && !options.is_openpgp()) return vmstream::ok();
  return usage("--to libvirt goes with neither --filter nor encryption, which libvirt cannot undo");
}

// A name must not promise a coding that the file does not get.
Status check_suffix(const Options& options) {
  const auto& traits = vmstream::traits_of(chosen_compression(options).coding);
  if (options.filter || traits.writable) return vmstream::ok();
  Error error = not_written(traits);
  error.message =
      fmt::format("the suffix {} asks for {}: {}", traits.suffix, traits.name, error.message);
  return error;
}

Status check_target(const Options& options) {
  if (!options.output && !options.exec) {
    return usage("nowhere to write: -o FILE or --exec COMMAND is needed");
  }
  if (options.then && !options.exec) return usage("--then needs --exec");
  bool to_stdout = options.output == "-" || (options.output && vmtools::is_stdout(*options.output));
  if (options.common.json && to_stdout) return usage("--json and -o - both want stdout");
  if (options.verify && options.output.value_or("-") == "-") {
    return usage("--verify needs a file to read back: -o FILE");
  }
  if (options.compact && (options.output.value_or("-") == "-" || options.is_encrypted())) {
    return usage("--compact keeps the plain stream beside FILE: it needs -o FILE, unencrypted");
  }
  if (auto size = check_size(options); !size) return size;
  if (auto mapped = check_mapped(options); !mapped) return mapped;
  if (auto libvirt = check_libvirt(options); !libvirt) return libvirt;
  if (auto suffix = check_suffix(options); !suffix) return suffix;
  return check_openpgp(options);
}

}  // namespace

vmtools::ToolText tool_text() {
  return {.name = "vmdump",
          .purpose = "save a running QEMU guest into a state file",
          .synopsis =
              "vmdump --qmp ADDRESS -o FILE [OPTIONS]\n"
              "vmdump --qmp ADDRESS --exec COMMAND [OPTIONS]\n"
              "vmdump --libvirt [URI#]DOMAIN -o FILE [OPTIONS]\n"
              "vmdump --stdin -o FILE [OPTIONS]\n"
              "vmdump --from FILE -o FILE [OPTIONS]",
          .examples =
              "vmdump --qmp /run/guest.qmp -o guest.zst\n"
              "vmdump --qmp /run/guest.qmp -o guest.zst --mode live --max-passes 5\n"
              "vmdump --qmp tcp:localhost:4444 -o guest.gz --after quit\n"
              "vmdump --qmp /run/guest.qmp -o guest.mapped --mapped-ram --threads 4\n"
              "vmdump --libvirt qemu:///system#web -o web.zst\n"
              "vmdump --qmp /run/guest.qmp -o guest.zst.gpg -e backup@example.org\n"
              "vmdump --qmp g.qmp --exec 'ssh host \"cat > p\"' --then 'ssh host mv p g.zst'\n"
              "vmdump --from old.gz -o new.zst --compact\n"
              "vmdump --from guest.zst --to mapped-ram -o guest.mapped\n"
              "(qemu) migrate \"exec:vmdump --stdin -o guest.gz\""};
}

void add_options(vmtools::CommandLine& line, Options& options) {
  add_source(line, options);
  add_live(line, options);
  add_target(line, options);
  add_openpgp(line, options);
  vmtools::add_common_options(line, options.common);
}

Status check(const Options& options) {
  if (auto source = check_source(options); !source) return source;
  return check_target(options);
}

ConvergenceRules convergence_rules(const Options& options) {
  auto rules = options.converge.value_or(ConvergenceRules());
  if (options.max_passes) rules.passes = *options.max_passes;
  return rules;
}

Compression chosen_compression(const Options& options) {
  if (options.is_mapped()) return {.coding = Coding::None};
  if (options.compression) return *options.compression;
  if (options.form == FileForm::Libvirt) return {.coding = Coding::None};
  if (!options.output || *options.output == "-") return {};
  std::string name(without_openpgp_suffix(*options.output));
  auto by_suffix = vmstream::find_coding_by_suffix(name);
  return {.coding = by_suffix.value_or(Coding::Zstd)};
}

bool is_plain(const Options& options) {
  bool is_coded = options.filter || chosen_compression(options).coding != Coding::None;
  return !is_coded && !options.is_openpgp() && options.form != FileForm::Libvirt;
}

bool is_digested(const Options& options) {
  if (options.form == FileForm::MappedRam) return options.common.json || options.verify;
  return options.common.json && !is_plain(options);
}

std::string output_name(const Options& options) {
  if (!options.output) return "";
  return *options.output == "-" ? "stdout" : *options.output;
}

}  // namespace vmdump
