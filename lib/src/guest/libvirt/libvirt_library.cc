// SPDX-License-Identifier: MIT
#include "guest/libvirt/libvirt_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr const char* kFile = "libvirt.so.0";

void say_nothing(void*, virErrorPtr) {}

// Remembers the first name that the library does not have.
class Finder {
 public:
  explicit Finder(void* library) : library_(library) {}

  template <typename Function>
  void find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(library_, name));
    if (!function && !missing_) missing_ = name;
  }
  const char* missing() const { return missing_; }

 private:
  void* library_;
  const char* missing_ = nullptr;
};

const char* find_all(void* handle, LibvirtLibrary& library) {
  Finder in(handle);
  in.find(library.set_error_func, "virSetErrorFunc");
  in.find(library.get_last_error, "virGetLastError");
  in.find(library.connect_open, "virConnectOpen");
  in.find(library.connect_close, "virConnectClose");
  in.find(library.connect_get_uri, "virConnectGetURI");
  in.find(library.connect_get_lib_version, "virConnectGetLibVersion");
  in.find(library.connect_get_version, "virConnectGetVersion");
  in.find(library.domain_lookup_by_name, "virDomainLookupByName");
  in.find(library.domain_lookup_by_uuid_string, "virDomainLookupByUUIDString");
  in.find(library.domain_lookup_by_id, "virDomainLookupByID");
  in.find(library.domain_free, "virDomainFree");
  in.find(library.domain_get_state, "virDomainGetState");
  in.find(library.domain_get_job_stats, "virDomainGetJobStats");
  in.find(library.typed_params_free, "virTypedParamsFree");
  in.find(library.typed_params_get_ullong, "virTypedParamsGetULLong");
  in.find(library.domain_list_get_stats, "virDomainListGetStats");
  in.find(library.domain_stats_record_list_free, "virDomainStatsRecordListFree");
  in.find(library.typed_params_get_string, "virTypedParamsGetString");
  in.find(library.typed_params_get_uint, "virTypedParamsGetUInt");
  in.find(library.domain_get_xml_desc, "virDomainGetXMLDesc");
  in.find(library.domain_core_dump_with_format, "virDomainCoreDumpWithFormat");
  in.find(library.domain_abort_job, "virDomainAbortJob");
  in.find(library.domain_suspend, "virDomainSuspend");
  in.find(library.domain_resume, "virDomainResume");
  in.find(library.domain_destroy_flags, "virDomainDestroyFlags");
  in.find(library.domain_restore_flags, "virDomainRestoreFlags");
  return in.missing();
}

Result<LibvirtLibrary> load_library() {
  void* handle = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);  // for good: its threads outlive its users
  if (!handle) {
    const char* reason = ::dlerror();  // NOLINT(concurrency-mt-unsafe): of this thread, in glibc
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("libvirt cannot be loaded: {}", escape(reason)),
                 .hint = "it is in the package libvirt0 or libvirt-libs"};
  }
  LibvirtLibrary library{};
  if (const char* missing = find_all(handle, library)) {
    return Error{Errc::Unsupported, fmt::format("{} here has no {}", kFile, missing)};
  }
  library.set_error_func(nullptr, say_nothing);
  return library;
}

}  // namespace

Result<const LibvirtLibrary*> LibvirtLibrary::load() {
  static const Result<LibvirtLibrary> library = load_library();
  if (!library) return library.error();
  return &*library;
}

Error LibvirtLibrary::last_error(const char* what) const {
  virErrorPtr error = get_last_error();
  const char* words = error && error->message ? error->message : "no reason given";
  return Error{Errc::Environment, fmt::format("{}: libvirt: {}", what, escape(words))};
}

}  // namespace vmstream
