// proc(5) of this process.
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>

#include "base/clock.hh"
#include "base/fd.hh"
#include "live/collectors.hh"

namespace tl::live {
namespace {

std::uint64_t integer_at(std::string_view text, std::size_t field) {
  for (; field > 0; --field) text.remove_prefix(std::min(text.find(' ') + 1, text.size()));
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Family single(const char* name, const char* help, Type type, Number value, Labels labels = {}) {
  return {name, help, type, "", {number_point(std::move(labels), value)}};
}

std::uint64_t open_files() {
  std::error_code ignored;
  const std::filesystem::directory_iterator files{"/proc/self/fd", ignored};
  // The iterator's own descriptor is one of them.
  const auto count = std::distance(begin(files), end(files));
  return static_cast<std::uint64_t>(count > 0 ? count - 1 : 0);
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace

Registry::Collector process_collector() {
  const double started_s = static_cast<double>(realtime_ns()) / 1e9;
  return [started_s, server = host_name()]() -> std::vector<Family> {
    const std::string pages = read_value("/proc/self/statm");
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t resident_bytes = integer_at(pages, 1) * page_bytes;
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    return {
        single("process_cpu_seconds", "User and system time.", Type::counter,
               seconds(used.ru_utime) + seconds(used.ru_stime)),
        single("process_resident_memory_bytes", "Resident memory.", Type::gauge, resident_bytes),
        single("process_virtual_memory_bytes", "Virtual memory.", Type::gauge,
               integer_at(pages, 0) * page_bytes),
        single("process_open_fds", "Open file descriptors.", Type::gauge, open_files()),
        single("process_max_fds", "Limit of open file descriptors.", Type::gauge,
               std::uint64_t{files.rlim_cur}),
        single("process_start_time_seconds", "Start, since the epoch.", Type::gauge, started_s),
        single("current_memory_usage_locally", "Resident memory of the exporter in bytes.",
               Type::gauge, resident_bytes, {{"server_name", server}}),
    };
  };
}

}  // namespace tl::live
