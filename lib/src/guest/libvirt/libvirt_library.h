// SPDX-License-Identifier: MIT
// libvirt's own library, loaded at its first use: it brings thirty more with it, which would take
// longer to load than most commands take to run.
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <vmstream/result.h>

namespace vmstream {

/// The functions that are used, under libvirt's names without their prefix.
struct LibvirtLibrary {
  decltype(&virSetErrorFunc) set_error_func;
  decltype(&virGetLastError) get_last_error;
  decltype(&virConnectOpen) connect_open;
  decltype(&virConnectClose) connect_close;
  decltype(&virConnectGetURI) connect_get_uri;
  decltype(&virConnectGetLibVersion) connect_get_lib_version;
  decltype(&virConnectGetVersion) connect_get_version;
  decltype(&virDomainLookupByName) domain_lookup_by_name;
  decltype(&virDomainLookupByUUIDString) domain_lookup_by_uuid_string;
  decltype(&virDomainLookupByID) domain_lookup_by_id;
  decltype(&virDomainFree) domain_free;
  decltype(&virDomainGetState) domain_get_state;
  decltype(&virDomainGetJobStats) domain_get_job_stats;
  decltype(&virTypedParamsFree) typed_params_free;
  decltype(&virTypedParamsGetULLong) typed_params_get_ullong;
  decltype(&virDomainListGetStats) domain_list_get_stats;
  decltype(&virDomainStatsRecordListFree) domain_stats_record_list_free;
  decltype(&virTypedParamsGetString) typed_params_get_string;
  decltype(&virTypedParamsGetUInt) typed_params_get_uint;
  decltype(&virDomainGetXMLDesc) domain_get_xml_desc;
  decltype(&virDomainCoreDumpWithFormat) domain_core_dump_with_format;
  decltype(&virDomainAbortJob) domain_abort_job;
  decltype(&virDomainSuspend) domain_suspend;
  decltype(&virDomainResume) domain_resume;
  decltype(&virDomainDestroyFlags) domain_destroy_flags;
  decltype(&virDomainRestoreFlags) domain_restore_flags;

  /// Errc::Unsupported where it is not installed, or lacks one of these.
  static Result<const LibvirtLibrary*> load();

  /// What the last call of this thread that failed says. `what` was wanted.
  Error last_error(const char* what) const;
};

}  // namespace vmstream
