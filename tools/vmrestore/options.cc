// SPDX-License-Identifier: MIT
#include "vmrestore/options.h"

#include <vmstream/state_file.h>
#include <vmstream/text.h>
#include "common/output.h"

namespace vmrestore {
namespace {

using vmstream::Errc;
using vmstream::Error;
using vmstream::FileForm;
using vmstream::RunState;
using vmstream::Status;

Error usage(std::string message) {
  return Error{Errc::Usage, std::move(message)};
}

void add_file(vmtools::CommandLine& line, Options& options) {
  line.group("The file");
  line.row("FILE",
           "a state file, plain or compressed, or IMAGE#SNAPSHOT of a qcow2 image; - is stdin");
  line.positionals(options.words);
  line.flag("--multifd", options.multifd,
            "the FILEs are one guest that was sent through several connections: the main stream "
            "and the page channels, in any order; a folder of them, given alone, needs no option");
  line.text("--exec", "COMMAND", options.exec,
            "read what COMMAND prints instead of a FILE; it must exit 0");
  line.flag("--verify-first", options.verify_first,
            "read and check all of FILE before the first byte is handed on; then nothing is handed "
            "on that differs from what was checked");
  line.text("--require-signature", "KEY", options.required_signer,
            "refuse FILE unless this key signed it; nothing that decides the guest's fate is "
            "handed on before that is known (not with --lazy)");
  line.flag("--accept-damaged-description", options.accept_damaged_description,
            "restore a FILE that is whole but for its description, which QEMU does not load; it "
            "is left out (not with --lazy)");
  vmtools::add_passphrase_options(line, options.passphrase);
  line.flag("--once", options.once,
            "rename FILE to FILE.restored once its guest is back; refuse a FILE that is claimed "
            "(not with -o)");
}

void add_target(vmtools::CommandLine& line, Options& options) {
  line.group("Where it goes (default: stdout)");
  line.text(
      "-o,--output", "PLAIN", options.output,
      "write the plain stream to PLAIN, without what follows its end; postcopy and mapped-ram "
      "files are put together anew");
  line.choice("--to", options.form,
              {{"qevm", FileForm::Qevm},
               {"libvirt", FileForm::Libvirt},
               {"mapped-ram", FileForm::MappedRam}},
              "what PLAIN becomes; qevm: the plain stream; libvirt: an image for virsh restore; "
              "mapped-ram: with a place for each page, which QEMU 9.0 loads by itself (qevm)");
  line.text("--qmp", "ADDRESS", options.qmp,
            "feed the QEMU behind this monitor, started with -incoming defer: PATH or unix:PATH "
            "of a unix socket, or tcp:HOST:PORT");
  line.exclusive("--output", "--qmp");
  line.text_or_none("--libvirt", "URI", options.libvirt,
                    "bring it back as a domain of libvirt, over its default connection or URI; the "
                    "whole file is checked before libvirt sees a byte of it");
  line.exclusive("--libvirt", "--qmp");
  line.exclusive("--libvirt", "--output");
  vmtools::add_libvirt_options(line, options.domain_texts);
  line.row("-- COMMAND...",
           "start this QEMU on the file (-incoming is added) and wait for its end");
  line.behind_dashes(options.qemu);
  line.text("--into", "IMAGE#NAME", options.into,
            "let that QEMU save the loaded guest as a new snapshot of IMAGE, a disk of it (with "
            "--qmp or --); with -- it ends then");
  line.flag("--force", options.force, "overwrite PLAIN; write to a terminal");
}

void add_guest(vmtools::CommandLine& line, Options& options) {
  line.group("The guest (with --qmp, --libvirt or --)");
  line.flag("--cont", "let the guest run after the load",
            [&options] { options.run_state = RunState::Running; });
  line.flag("--paused", "leave the guest paused after the load (as saved)",
            [&options] { options.run_state = RunState::Paused; });
  line.exclusive("--cont", "--paused");
  line.flag("--write-disks", options.write_disks,
            "let a stream of `migrate -b` overwrite the disks of the QEMU it goes to");
  line.flag("--set-clock", options.set_clock,
            "set the guest's clock to the time of this machine once it runs (with --agent)");
  line.text("--agent", "SOCKET", options.agent,
            "QEMU's socket of the guest agent, which sets the clock");
  line.duration("--timeout", options.timeout,
                "give up after TIME, a number with ms, s, min or h (never)");
  line.flag("--explain", options.explain,
            "print the QMP commands and the equivalent shell recipe, do nothing");
}

void add_lazy(vmtools::CommandLine& line, Options& options) {
  line.group("Before the memory is there (with --qmp or --)");
  line.text_or_none("--map", "copy", options.map,
                    "map FILE as the guest's memory, which is read where the guest needs it, and "
                    "shared by all guests of FILE; copy: out of a copy in memory, without FUSE "
                    "(with --)");
  line.flag(
      "--lazy", options.lazy,
      "let the guest run at once; pages are sent when it asks for them, the others after these");
  line.flag("--resume-lazy", options.resume_lazy,
            "go on with a --lazy restore whose vmrestore ended (with --qmp)");
  line.exclusive("--lazy", "--resume-lazy");
  line.choice("--prefetch", options.prefetch,
              {{"none", Prefetch::None},
               {"sequential", Prefetch::Sequential},
               {"working-set", Prefetch::WorkingSet}},
              "what is sent without being asked: nothing, the file from front to end, or the pages "
              "of --working-set before that (sequential; working-set where its FILE is there)");
  line.text("--working-set", "FILE", options.working_set,
            "keep in FILE which pages the guest asks for in its first seconds");
  line.rate("--max-bandwidth", options.max_bandwidth,
            "send pages that nobody asked for no faster than RATE, such as 100M/s (unlimited)");
}

Status check_file(const Options& options) {
  if (options.file && options.exec) return usage("FILE and --exec exclude each other");
  if (!options.file && !options.exec) return usage("nothing to restore: FILE is needed");
  if (options.file && options.file->empty()) return usage("FILE is an empty name");
  bool is_pipe = !options.file || *options.file == "-";
  if (is_pipe && options.verify_first) return usage("--verify-first reads twice: it needs a FILE");
  if (is_pipe && options.once) return usage("--once renames the file: it needs a FILE");
  if (options.passphrase.uses_stdin() && options.file == "-") {
    return usage("FILE - and --passphrase-fd 0 both want stdin");
  }
  if (options.multifd && is_pipe) return usage("--multifd wants files, and - is none");
  if (options.multifd && options.once) {
    return usage("--once renames one file, --multifd has several");
  }
  if (options.once && options.output) return usage("--once is for guests, -o makes a copy");
  return vmstream::ok();
}

Status check_target(const Options& options) {
  if (options.timeout == std::chrono::milliseconds(0)) return usage("--timeout: 0 leaves no time");
  if (options.max_bandwidth == 0) return usage("--max-bandwidth: 0 would send nothing unasked");
  if (!options.qemu.empty() && (options.qmp || options.output || options.libvirt)) {
    return usage("-o, --qmp, --libvirt and -- exclude each other");
  }
  bool to_stdout = options.to_stdout() || (options.output && vmtools::is_stdout(*options.output));
  if (options.common.json && to_stdout) {
    return usage("--json and the plain stream both want stdout");
  }
  if (options.form != FileForm::Qevm && options.output.value_or("-") == "-") {
    return usage("--to makes a file: it needs -o FILE");
  }
  auto texts = vmtools::check_libvirt_options(options.domain_texts, options.form);
  if (!texts && !(options.libvirt && !options.domain_texts.cookie)) return texts;
  bool has_guest = options.has_guest() || options.form == FileForm::Libvirt;
  if (!has_guest && options.run_state != RunState::AsSaved) {
    return Error{.code = Errc::Usage,
                 .message = "--cont and --paused need --qmp, --libvirt, --to libvirt or --",
                 .hint = "a QEMU that reads the stream by itself stays paused with -S"};
  }
  return vmstream::ok();
}

Status check_into(const Options& options) {
  if (!options.into) return vmstream::ok();
  if (!options.qmp && options.qemu.empty()) {
    return Error{.code = Errc::Usage,
                 .message = "--into needs --qmp or --",
                 .hint = "the QEMU that has the guest and its disks makes the snapshot"};
  }
  if (!vmstream::StateName::parse(*options.into).snapshot) {
    return usage("--into wants IMAGE#NAME, and IMAGE must be there");
  }
  if (options.lazy || options.resume_lazy) return usage("--into and --lazy exclude each other");
  if (options.run_state == RunState::Running || options.set_clock) {
    return usage("--into saves a guest that stands still, --cont and --set-clock want it to run");
  }
  return vmstream::ok();
}

Status check_clock(const Options& options) {
  if (options.set_clock != options.agent.has_value()) {
    return usage("--set-clock and --agent SOCKET need each other");
  }
  if (!options.set_clock) return vmstream::ok();
  if (!options.qmp && options.qemu.empty()) return usage("--set-clock needs --qmp or --");
  if (options.run_state == RunState::Paused) {
    return usage("--set-clock needs a guest that runs, --paused leaves it paused");
  }
  return vmstream::ok();
}

Status check_map(const Options& options) {
  if (!options.map) return vmstream::ok();
  if (!options.map->empty() && *options.map != "copy") {
    return usage("--map=" + vmstream::escape(*options.map) + ": wanted --map or --map=copy");
  }
  if (!options.file || *options.file == "-") return usage("--map reads all over: it needs a FILE");
  if (options.qemu.empty()) {
    return Error{.code = Errc::Usage,
                 .message = "--map needs -- and the command of QEMU",
                 .hint = "a QEMU that runs already has its memory"};
  }
  if (options.lazy || options.resume_lazy) return usage("--map and --lazy exclude each other");
  if (options.once) {
    return usage("--map and --once exclude each other: the file is the guest's memory");
  }
  if (options.into) return usage("--map and --into exclude each other");
  if (options.required_signer) {
    return usage("--require-signature and --map exclude each other: a signed file is read whole");
  }
  if (options.accept_damaged_description) {
    return usage("--accept-damaged-description does not go with --map");
  }
  return vmstream::ok();
}

Status check_lazy(const Options& options) {
  bool lazy = options.lazy || options.resume_lazy;
  if (!lazy) {
    bool tuned = options.prefetch || options.working_set || options.max_bandwidth;
    if (!tuned) return vmstream::ok();
    return usage("--prefetch, --working-set and --max-bandwidth need --lazy or --resume-lazy");
  }
  if (!options.file || *options.file == "-") return usage("--lazy reads all over: it needs a FILE");
  if (options.resume_lazy && !options.qmp) return usage("--resume-lazy needs --qmp");
  if (!options.qmp && options.qemu.empty()) return usage("--lazy needs --qmp or --");
  if (options.resume_lazy && options.run_state != RunState::AsSaved) {
    return usage("--resume-lazy leaves the run state as it is");
  }
  if (options.resume_lazy && options.once)
    return usage("--resume-lazy goes on with a claimed file");
  if (options.required_signer) {
    return usage("--require-signature and --lazy exclude each other: a signed file is read whole");
  }
  if (options.accept_damaged_description) {
    return usage("--accept-damaged-description does not go with --lazy");
  }
  if (options.prefetch == Prefetch::WorkingSet && !options.working_set) {
    return usage("--prefetch working-set needs --working-set");
  }
  return vmstream::ok();
}

}  // namespace

vmtools::ToolText tool_text() {
  return {.name = "vmrestore",
          .purpose = "bring a saved QEMU guest back",
          .synopsis =
              "vmrestore FILE [OPTIONS]                  plain stream to stdout\n"
              "vmrestore -o PLAIN FILE [OPTIONS]\n"
              "vmrestore --qmp ADDRESS FILE [OPTIONS]\n"
              "vmrestore FILE [OPTIONS] -- qemu-system-x86_64 ARGS...\n"
              "vmrestore --libvirt[=URI] FILE [OPTIONS]\n"
              "vmrestore --exec COMMAND [OPTIONS]",
          .examples =
              "qemu-system-x86_64 ... -incoming \"exec:vmrestore guest.zst\"\n"
              "vmrestore --qmp /run/guest.qmp --cont guest.zst\n"
              "vmrestore guest.zst --cont -- qemu-system-x86_64 -m 2G disk.qcow2\n"
              "vmrestore --lazy guest.zst --cont -- qemu-system-x86_64 -m 64G disk.qcow2\n"
              "vmrestore --map guest.zst --cont -- qemu-system-x86_64 -m 64G disk.qcow2\n"
              "vmrestore --libvirt=qemu:///system --cont web.zst\n"
              "vmrestore guest.zst --into d.qcow2#old -- qemu-system-x86_64 -m 2G d.qcow2\n"
              "vmrestore --exec 'ssh host cat guest.zst' -o guest.qevm"};
}

void add_options(vmtools::CommandLine& line, Options& options) {
  add_file(line, options);
  add_target(line, options);
  add_guest(line, options);
  add_lazy(line, options);
  vmtools::add_common_options(line, options.common);
}

Status read_words(Options& options) {
  if (options.words.empty()) return vmstream::ok();
  options.file = options.words.front();
  options.parts.assign(options.words.begin() + 1, options.words.end());
  if (options.multifd || options.parts.empty()) return vmstream::ok();
  return usage("unexpected argument '" + vmstream::escape(options.parts.front()) + "'");
}

Status check(const Options& options) {
  if (auto file = check_file(options); !file) return file;
  if (auto target = check_target(options); !target) return target;
  if (auto into = check_into(options); !into) return into;
  if (auto clock = check_clock(options); !clock) return clock;
  if (auto map = check_map(options); !map) return map;
  return check_lazy(options);
}

vmstream::RunState wanted_run_state(const Options& options,
                                    const std::vector<vmstream::Container>& containers) {
  if (options.into) return vmstream::RunState::Paused;
  auto ran = vmstream::was_running(containers);
  if (options.run_state != vmstream::RunState::AsSaved || !ran) return options.run_state;
  return *ran ? vmstream::RunState::Running : vmstream::RunState::Paused;
}

std::string input_name(const Options& options) {
  if (!options.file) return "";
  return *options.file == "-" ? "stdin" : *options.file;
}

}  // namespace vmrestore
