// SPDX-License-Identifier: MIT
// Stands between a program and the C library (LD_PRELOAD) and makes one planned call go wrong. The
// program itself knows nothing of it.
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "fault_plan.h"

using faults::Call;
using faults::judge;
using faults::Verdict;

namespace {

// Smaller pieces of memory do not run out by themselves.
constexpr size_t kLargeMemory = 64 * 1024;

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// Whether this is a file system that has no unnamed files.
bool lacks(int flags) {
  if ((flags & O_TMPFILE) != O_TMPFILE || !std::getenv("VMSTREAM_FAULT_NO_TMPFILE")) return false;
  errno = EOPNOTSUPP;
  return true;
}

// A call that works or fails.
template <typename Real>
int step(Call call, Real real) {
  return judge(call) == Verdict::Error ? -1 : real();
}

bool is_regular_file(int fd) {
  struct stat status;
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// A plan names one of the two.
Verdict judge_read(int fd) {
  Verdict verdict = judge(Call::Read);
  if (!is_regular_file(fd)) return verdict;
  Verdict of_files = judge(Call::FileRead);
  return verdict == Verdict::Real ? of_files : verdict;
}

// A call that moves up to `count` bytes.
template <typename Real>
ssize_t transfer(Verdict verdict, size_t count, Real real) {
  switch (verdict) {
    case Verdict::Real:
      return real(count);
    case Verdict::Error:
      return -1;
    case Verdict::Short:
      return real((count + 1) / 2);
    case Verdict::End:
      return 0;
  }
  return -1;
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

// The names that large files and fortified code know the same calls by are defined with them.
#define VMSTREAM_OPEN(name)                                               \
  int name(const char* path, int flags, ...) {                            \
    va_list arguments;                                                    \
    va_start(arguments, flags);                                           \
    mode_t mode = mode_of(flags, arguments);                              \
    va_end(arguments);                                                    \
    static auto* const real = next<int(const char*, int, mode_t)>(#name); \
    return step(Call::Open, [&] { return real(path, flags, mode); });     \
  }
#define VMSTREAM_OPENAT(name)                                                  \
  int name(int folder, const char* path, int flags, ...) {                     \
    va_list arguments;                                                         \
    va_start(arguments, flags);                                                \
    mode_t mode = mode_of(flags, arguments);                                   \
    va_end(arguments);                                                         \
    static auto* const real = next<int(int, const char*, int, mode_t)>(#name); \
    if (lacks(flags)) return -1;                                               \
    return step(Call::Open, [&] { return real(folder, path, flags, mode); });  \
  }

extern "C" {

VMSTREAM_OPEN(open)
VMSTREAM_OPEN(open64)
VMSTREAM_OPENAT(openat)
VMSTREAM_OPENAT(openat64)

ssize_t read(int fd, void* into, size_t count) {
  static auto* const real = next<ssize_t(int, void*, size_t)>("read");
  return transfer(judge_read(fd), count, [&](size_t n) { return real(fd, into, n); });
}
ssize_t __read_chk(int fd, void* into, size_t count, size_t) {
  return read(fd, into, count);
}

ssize_t pread(int fd, void* into, size_t count, off_t offset) {
  static auto* const real = next<ssize_t(int, void*, size_t, off_t)>("pread");
  return transfer(judge_read(fd), count, [&](size_t n) { return real(fd, into, n, offset); });
}
ssize_t pread64(int fd, void* into, size_t count, off_t offset) {
  return pread(fd, into, count, offset);
}
ssize_t __pread_chk(int fd, void* into, size_t count, off_t offset, size_t) {
  return pread(fd, into, count, offset);
}
ssize_t __pread64_chk(int fd, void* into, size_t count, off_t offset, size_t) {
  return pread(fd, into, count, offset);
}

ssize_t write(int fd, const void* from, size_t count) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  return transfer(judge(Call::Write), count, [&](size_t n) { return real(fd, from, n); });
}
ssize_t pwrite(int fd, const void* from, size_t count, off_t offset) {
  static auto* const real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return transfer(judge(Call::Write), count, [&](size_t n) { return real(fd, from, n, offset); });
}
ssize_t pwrite64(int fd, const void* from, size_t count, off_t offset) {
  return pwrite(fd, from, count, offset);
}

ssize_t recv(int fd, void* into, size_t count, int flags) {
  static auto* const real = next<ssize_t(int, void*, size_t, int)>("recv");
  return transfer(judge(Call::Receive), count, [&](size_t n) { return real(fd, into, n, flags); });
}
ssize_t __recv_chk(int fd, void* into, size_t count, size_t, int flags) {
  return recv(fd, into, count, flags);
}

ssize_t send(int fd, const void* from, size_t count, int flags) {
  static auto* const real = next<ssize_t(int, const void*, size_t, int)>("send");
  return transfer(judge(Call::Send), count, [&](size_t n) { return real(fd, from, n, flags); });
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static auto* const real = next<ssize_t(int, const msghdr*, int)>("sendmsg");
  if (message->msg_iovlen != 1) return real(fd, message, flags);
  return transfer(judge(Call::Send), message->msg_iov->iov_len, [&](size_t n) {
    iovec part{message->msg_iov->iov_base, n};
    msghdr cut = *message;
    cut.msg_iov = &part;
    return real(fd, &cut, flags);
  });
}

int poll(pollfd* descriptors, nfds_t count, int timeout) {
  static auto* const real = next<int(pollfd*, nfds_t, int)>("poll");
  return step(Call::Poll, [&] { return real(descriptors, count, timeout); });
}
int __poll_chk(pollfd* descriptors, nfds_t count, int timeout, size_t) {
  return poll(descriptors, count, timeout);
}

int fsync(int fd) {
  static auto* const real = next<int(int)>("fsync");
  return step(Call::Sync, [&] { return real(fd); });
}

// Linux closes the descriptor whatever it answers.
int close(int fd) {
  static auto* const real = next<int(int)>("close");
  bool fails = judge(Call::Close) == Verdict::Error;
  int error = errno;
  int closed = real(fd);
  if (!fails) return closed;
  errno = error;
  return -1;
}

int link(const char* from, const char* to) noexcept {
  static auto* const real = next<int(const char*, const char*)>("link");
  return step(Call::Link, [&] { return real(from, to); });
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  static auto* const real = next<int(int, const char*, int, const char*, int)>("linkat");
  return step(Call::Link, [&] { return real(from_folder, from, to_folder, to, flags); });
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  static auto* const real = next<int(int, const char*, int, const char*)>("renameat");
  return step(Call::Rename, [&] { return real(from_folder, from, to_folder, to); });
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  static auto* const real = next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return step(Call::Rename, [&] { return real(from_folder, from, to_folder, to, flags); });
}

int unlink(const char* path) noexcept {
  static auto* const real = next<int(const char*)>("unlink");
  return step(Call::Unlink, [&] { return real(path); });
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  static auto* const real = next<int(int, const char*, int)>("unlinkat");
  return step(Call::Unlink, [&] { return real(folder, path, flags); });
}

int ftruncate(int fd, off_t length) noexcept {
  static auto* const real = next<int(int, off_t)>("ftruncate");
  return step(Call::Truncate, [&] { return real(fd, length); });
}
int ftruncate64(int fd, off_t length) noexcept {
  return ftruncate(fd, length);
}

int pipe2(int ends[2], int flags) noexcept {
  static auto* const real = next<int(int*, int)>("pipe2");
  return step(Call::Pipe, [&] { return real(ends, flags); });
}
int pipe(int ends[2]) noexcept {
  return pipe2(ends, 0);
}

int socket(int domain, int type, int protocol) noexcept {
  static auto* const real = next<int(int, int, int)>("socket");
  return step(Call::Socket, [&] { return real(domain, type, protocol); });
}
int socketpair(int domain, int type, int protocol, int ends[2]) noexcept {
  static auto* const real = next<int(int, int, int, int*)>("socketpair");
  return step(Call::Socket, [&] { return real(domain, type, protocol, ends); });
}
int connect(int fd, const sockaddr* address, socklen_t length) {
  static auto* const real = next<int(int, const sockaddr*, socklen_t)>("connect");
  return step(Call::Socket, [&] { return real(fd, address, length); });
}
int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  static auto* const real = next<int(int, sockaddr*, socklen_t*, int)>("accept4");
  return step(Call::Socket, [&] { return real(fd, address, length, flags); });
}
int eventfd(unsigned initial, int flags) noexcept {
  static auto* const real = next<int(unsigned, int)>("eventfd");
  return step(Call::Socket, [&] { return real(initial, flags); });
}

pid_t fork() noexcept {
  static auto* const real = next<pid_t()>("fork");
  return step(Call::Spawn, [&] { return real(); });
}
// Like pthread_create, it returns the error.
int posix_spawnp(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const argv[], char* const envp[]) {
  static auto* const real = next<decltype(posix_spawnp)>("posix_spawnp");
  if (judge(Call::Spawn) == Verdict::Error) return errno;
  return real(pid, file, actions, attributes, argv, envp);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) noexcept {
  static auto* const real = next<decltype(pthread_create)>("pthread_create");
  if (judge(Call::Thread) == Verdict::Error) return errno;
  return real(thread, attributes, run, argument);
}

void* __libc_malloc(size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) noexcept {
  if (size >= kLargeMemory && judge(Call::Memory) == Verdict::Error) return nullptr;
  return __libc_malloc(size);
}
void* aligned_alloc(size_t alignment, size_t size) noexcept {
  if (size >= kLargeMemory && judge(Call::Memory) == Verdict::Error) return nullptr;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** pointer, size_t alignment, size_t size) noexcept {
  *pointer = aligned_alloc(alignment, size);
  return *pointer ? 0 : ENOMEM;
}

// The wall clock alone can jump.
int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static auto* const real = next<int(clockid_t, timespec*)>("clock_gettime");
  int read = real(clock, time);
  if (clock != CLOCK_REALTIME) return read;
  judge(Call::Clock);
  time->tv_sec += faults::clock_jump_seconds();
  return read;
}

}  // extern "C"
