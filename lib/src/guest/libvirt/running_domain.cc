// SPDX-License-Identifier: MIT
#include "guest/libvirt/running_domain.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <charconv>
#include <utility>

#include <vmstream/text.h>
#include "guest/libvirt/libvirt_library.h"

namespace vmstream {
namespace {

std::string version_text(unsigned long version) {
  return fmt::format("{}.{}.{}", version / 1000000, version / 1000 % 1000, version % 1000);
}

// libvirt's texts are malloc()ed.
std::string take_text(char* text) {
  std::string copy = text ? text : "";
  ::free(text);
  return copy;
}

class Connection {
 public:
  static Result<std::shared_ptr<Connection>> open(const std::string& uri) {
    if (auto local = check_local(uri); !uri.empty() && !local) return local.error();
    auto library = LibvirtLibrary::load();
    if (!library) return library.error();
    virConnectPtr handle = (*library)->connect_open(uri.empty() ? nullptr : uri.c_str());
    if (!handle) return (*library)->last_error("no connection");
    auto connection = std::make_shared<Connection>(**library, handle);
    auto local = check_local(take_text((*library)->connect_get_uri(handle)));
    if (!local) return local.error();
    return connection;
  }
  Connection(const LibvirtLibrary& library, virConnectPtr handle)
      : library_(library), handle_(handle) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { library_.connect_close(handle_); }

  const LibvirtLibrary& calls() const { return library_; }
  virConnectPtr handle() const { return handle_; }

 private:
  // What the daemon opens by a path must be what this process has there.
  static Status check_local(const std::string& uri) {
    std::string_view rest = uri;
    size_t scheme = rest.find("://");
    bool is_local = scheme != std::string_view::npos && rest.substr(scheme + 3).starts_with('/');
    if (is_local) return ok();
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("'{}' is libvirt on another machine, which writes there",
                                        escape(uri)),
                 .hint =
                     "run vmdump and vmrestore there: ssh HOST vmdump --libvirt DOMAIN -o - > "
                     "FILE"};
  }

  const LibvirtLibrary& library_;
  virConnectPtr handle_;
};

// Parameters by name, freed with this.
class JobStats {
 public:
  explicit JobStats(const LibvirtLibrary& library) : library_(library) {}
  JobStats(const JobStats&) = delete;
  JobStats& operator=(const JobStats&) = delete;
  ~JobStats() { library_.typed_params_free(params_, count_); }

  bool fetch(virDomainPtr domain, unsigned flags) {
    return library_.domain_get_job_stats(domain, &type_, &params_, &count_, flags) == 0;
  }
  int type() const { return type_; }
  std::optional<uint64_t> number(const char* name) const {
    unsigned long long value = 0;
    bool known = library_.typed_params_get_ullong(params_, count_, name, &value) == 1;
    return known ? std::optional<uint64_t>(value) : std::nullopt;
  }

 private:
  const LibvirtLibrary& library_;
  int type_ = VIR_DOMAIN_JOB_NONE;
  virTypedParameterPtr params_ = nullptr;
  int count_ = 0;
};

class ConnectedDomain final : public RunningDomain {
 public:
  ConnectedDomain(std::shared_ptr<Connection> connection, virDomainPtr domain)
      : connection_(std::move(connection)), domain_(domain) {}
  ~ConnectedDomain() override { calls().domain_free(domain_); }

  std::string daemon_version() override {
    unsigned long version = 0;
    bool known = calls().connect_get_lib_version(connection_->handle(), &version) == 0;
    return known ? version_text(version) : std::string();
  }

  std::string qemu_version() override {
    unsigned long version = 0;
    bool known = calls().connect_get_version(connection_->handle(), &version) == 0;
    return known && version != 0 ? version_text(version) : std::string();
  }

  Result<DomainState> state() override {
    int state = VIR_DOMAIN_NOSTATE;
    if (calls().domain_get_state(domain_, &state, nullptr, 0) < 0) {
      return calls().last_error("the domain's state");
    }
    return describe(state);
  }

  Result<DomainJob> job(JobWhen when) override {
    JobStats stats(calls());
    unsigned flags = 0;
    if (when == JobWhen::Completed) flags |= VIR_DOMAIN_JOB_STATS_COMPLETED;
    if (!stats.fetch(domain_, flags)) return calls().last_error("the domain's job");
    DomainJob job;
    job.under_way =
        stats.type() == VIR_DOMAIN_JOB_BOUNDED || stats.type() == VIR_DOMAIN_JOB_UNBOUNDED;
    job.bytes_left = stats.number(VIR_DOMAIN_JOB_MEMORY_REMAINING).value_or(0);
    job.iteration = stats.number(VIR_DOMAIN_JOB_MEMORY_ITERATION).value_or(0);
    job.page_bytes = stats.number(VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE).value_or(0);
    job.dirty_pages_per_second = stats.number(VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE).value_or(0);
    job.bytes_per_second = stats.number(VIR_DOMAIN_JOB_MEMORY_BPS).value_or(0);
    job.normal_pages = stats.number(VIR_DOMAIN_JOB_MEMORY_NORMAL);
    job.constant_pages = stats.number(VIR_DOMAIN_JOB_MEMORY_CONSTANT);
    return job;
  }

  Result<std::vector<std::string>> disks() override {
    std::array<virDomainPtr, 2> domains{domain_, nullptr};
    virDomainStatsRecordPtr* records = nullptr;
    int count = calls().domain_list_get_stats(domains.data(), VIR_DOMAIN_STATS_BLOCK, &records, 0);
    if (count < 0) return calls().last_error("the domain's disks");
    std::vector<std::string> paths;
    if (count > 0) paths = disk_paths(*records[0]);
    calls().domain_stats_record_list_free(records);
    return paths;
  }

  Result<std::string> description(bool with_secrets) override {
    unsigned flags = VIR_DOMAIN_XML_MIGRATABLE;
    if (with_secrets) flags |= VIR_DOMAIN_XML_SECURE;
    char* xml = calls().domain_get_xml_desc(domain_, flags);
    if (!xml) return calls().last_error("the domain's description");
    return take_text(xml);
  }

  Status dump(const std::string& path, bool live) override {
    unsigned flags = 0;
    if (live) flags |= VIR_DUMP_LIVE;
    return done(calls().domain_core_dump_with_format(domain_, path.c_str(),
                                                     VIR_DOMAIN_CORE_DUMP_FORMAT_RAW, flags),
                "the dump");
  }
  Status abort_job() override { return done(calls().domain_abort_job(domain_), "the abort"); }
  Status suspend() override { return done(calls().domain_suspend(domain_), "to pause it"); }
  Status resume() override { return done(calls().domain_resume(domain_), "to let it run"); }
  Status destroy() override {
    return done(calls().domain_destroy_flags(domain_, VIR_DOMAIN_DESTROY_GRACEFUL), "to end it");
  }

 private:
  const LibvirtLibrary& calls() const { return connection_->calls(); }

  Status done(int returned, const char* what) const {
    return returned < 0 ? Status(calls().last_error(what)) : ok();
  }

  static DomainState describe(int state) {
    switch (state) {
      case VIR_DOMAIN_RUNNING:
      case VIR_DOMAIN_BLOCKED:
        return {true, true, "running"};
      case VIR_DOMAIN_PAUSED:
        return {true, false, "paused"};
      case VIR_DOMAIN_PMSUSPENDED:
        return {true, false, "asleep"};
      case VIR_DOMAIN_SHUTDOWN:
        return {true, false, "shutting down"};
      case VIR_DOMAIN_CRASHED:
        return {false, false, "crashed"};
      default:
        return {false, false, "shut off"};
    }
  }

  std::vector<std::string> disk_paths(const virDomainStatsRecord& record) const {
    unsigned count = 0;
    calls().typed_params_get_uint(record.params, record.nparams, "block.count", &count);
    std::vector<std::string> paths;
    for (unsigned i = 0; i < count; ++i) {
      const char* path = nullptr;
      std::string name = fmt::format("block.{}.path", i);
      int known =
          calls().typed_params_get_string(record.params, record.nparams, name.c_str(), &path);
      if (known == 1 && path) paths.emplace_back(path);
    }
    return paths;
  }

  std::shared_ptr<Connection> connection_;
  virDomainPtr domain_;
};

// As virsh does: an id, then a UUID, then a name.
virDomainPtr look_up(const Connection& connection, const std::string& domain) {
  int id = 0;
  const char* end = domain.data() + domain.size();
  auto parsed = std::from_chars(domain.data(), end, id);
  const auto& library = connection.calls();
  virDomainPtr found = nullptr;
  if (parsed.ec == std::errc{} && parsed.ptr == end && id >= 0) {
    found = library.domain_lookup_by_id(connection.handle(), id);
  }
  if (!found && domain.size() == VIR_UUID_STRING_BUFLEN - 1) {
    found = library.domain_lookup_by_uuid_string(connection.handle(), domain.c_str());
  }
  return found ? found : library.domain_lookup_by_name(connection.handle(), domain.c_str());
}

}  // namespace

std::string libvirt_engine() {
  return "libvirt " + version_text(LIBVIR_VERSION_NUMBER);
}

Result<std::shared_ptr<RunningDomain>> open_domain(const DomainAddress& address) {
  auto connection = Connection::open(address.uri);
  if (!connection) return connection.error();
  virDomainPtr domain = look_up(**connection, address.domain);
  if (!domain) {
    Error error = (*connection)->calls().last_error("no domain");
    error.hint = "virsh list --all has those of the connection; URI# in front chooses another";
    return error;
  }
  return std::shared_ptr<RunningDomain>(std::make_shared<ConnectedDomain>(*connection, domain));
}

Status restore_save_image(const std::string& uri, const std::string& path, RestoredState state) {
  auto connection = Connection::open(uri);
  if (!connection) return connection.error();
  unsigned flags = 0;
  if (state == RestoredState::Running) flags = VIR_DOMAIN_SAVE_RUNNING;
  if (state == RestoredState::Paused) flags = VIR_DOMAIN_SAVE_PAUSED;
  const auto& library = (*connection)->calls();
  int returned =
      library.domain_restore_flags((*connection)->handle(), path.c_str(), nullptr, flags);
  return returned < 0 ? Status(library.last_error("the restore")) : ok();
}

}  // namespace vmstream
