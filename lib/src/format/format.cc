// SPDX-License-Identifier: MIT
// The one name of every enumerator, for JSON, tables and messages.
#include <vmstream/format.h>
#include <vmstream/visitor.h>

namespace vmstream {

std::string_view name_of(SectionType type) {
  switch (type) {
    case SectionType::Eof:
      return "eof";
    case SectionType::Start:
      return "start";
    case SectionType::Part:
      return "part";
    case SectionType::End:
      return "end";
    case SectionType::Full:
      return "full";
    case SectionType::Subsection:
      return "subsection";
    case SectionType::Vmdescription:
      return "vmdesc";
    case SectionType::Configuration:
      return "configuration";
    case SectionType::Command:
      return "command";
    case SectionType::Footer:
      return "footer";
  }
  return "unknown";
}

std::string_view name_of(BoundedBy bound) {
  switch (bound) {
    case BoundedBy::Format:
      return "format";
    case BoundedBy::Length:
      return "length";
    case BoundedBy::Vmdesc:
      return "vmdesc";
    case BoundedBy::Footer:
      return "footer";
    case BoundedBy::NextHeader:
      return "next-header";
  }
  return "unknown";
}

std::string_view name_of(PageKind kind) {
  switch (kind) {
    case PageKind::Zero:
      return "zero";
    case PageKind::Fill:
      return "fill";
    case PageKind::Data:
      return "data";
    case PageKind::Xbzrle:
      return "xbzrle";
    case PageKind::Compressed:
      return "compressed";
  }
  return "unknown";
}

std::string_view name_of(CommandType type) {
  switch (type) {
    case CommandType::Invalid:
      return "INVALID";
    case CommandType::OpenReturnPath:
      return "OPEN_RETURN_PATH";
    case CommandType::Ping:
      return "PING";
    case CommandType::PostcopyAdvise:
      return "POSTCOPY_ADVISE";
    case CommandType::PostcopyListen:
      return "POSTCOPY_LISTEN";
    case CommandType::PostcopyRun:
      return "POSTCOPY_RUN";
    case CommandType::PostcopyRamDiscard:
      return "POSTCOPY_RAM_DISCARD";
    case CommandType::Packaged:
      return "PACKAGED";
    case CommandType::EnableColo:
      return "ENABLE_COLO";
    case CommandType::PostcopyResume:
      return "POSTCOPY_RESUME";
    case CommandType::RecvBitmap:
      return "RECV_BITMAP";
    case CommandType::SwitchoverStart:
      return "SWITCHOVER_START";
  }
  return "unknown";
}

std::string_view name_of(LoadEffect effect) {
  switch (effect) {
    case LoadEffect::Refused:
      return "refused";
    case LoadEffect::Depends:
      return "depends";
    case LoadEffect::Ignored:
      break;
  }
  return "ignored";
}

}  // namespace vmstream
