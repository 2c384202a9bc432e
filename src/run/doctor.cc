#include "run/doctor.hh"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/errors.hh"
#include "base/fd.hh"
#include "base/netns.hh"
#include "base/privileges.hh"
#include "base/units.hh"
#include "lab/engine.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;

Check ok(std::string name, std::string detail) {
  return {std::move(name), CheckState::ok, std::move(detail), ""};
}
Check missing(std::string name, std::string detail, std::string fix) {
  return {std::move(name), CheckState::missing, std::move(detail), std::move(fix)};
}
Check warning(std::string name, std::string detail, std::string fix) {
  return {std::move(name), CheckState::warning, std::move(detail), std::move(fix)};
}

Check check_kernel(const DoctorRequest& request) {
  const std::string release = read_value(request.root / "proc/sys/kernel/osrelease", "unknown");
  int major = 0, minor = 0;
  if (std::sscanf(release.c_str(), "%d.%d", &major, &minor) != 2 || major < 5 ||
      (major == 5 && minor < 17))
    return missing("kernel", release, "the counters need Linux 5.17 or later");
  return ok("kernel", release);
}

Check check_btf(const DoctorRequest& request) {
  if (fs::exists(request.root / "sys/kernel/btf/vmlinux"))
    return ok("btf", "/sys/kernel/btf/vmlinux");
  return missing("btf", "the kernel has no /sys/kernel/btf/vmlinux",
                 "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y");
}

// Capabilities that the netns engine and its agents use; the docker engine gives them to its
// containers.
Check check_capabilities() {
  std::string lacking;
  for (const char* name : {"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_PTRACE"})
    if (!has_capability(name)) lacking += lacking.empty() ? name : std::string{", "} + name;
  if (lacking.empty()) return ok("capabilities", "SYS_ADMIN, NET_ADMIN, NET_RAW, SYS_PTRACE");
  return missing("capabilities", "lacking " + lacking,
                 "run as root, or use --engine docker with access to a Docker engine");
}

Check check_memlock(const DoctorRequest& request) {
  // Since 5.11 BPF memory is charged to the cgroup and RLIMIT_MEMLOCK does not matter.
  const std::string release = read_value(request.root / "proc/sys/kernel/osrelease", "0.0");
  int major = 0, minor = 0;
  if (std::sscanf(release.c_str(), "%d.%d", &major, &minor) == 2 &&
      (major > 5 || (major == 5 && minor >= 11)))
    return ok("bpf memory", "charged to the cgroup");
  return warning("bpf memory", "limited by RLIMIT_MEMLOCK before Linux 5.11",
                 "raise it: ulimit -l unlimited");
}

Check check_disk(const DoctorRequest& request) {
  std::error_code error;
  fs::path folder = fs::absolute(request.results, error);
  while (!folder.empty() && !fs::exists(folder)) folder = folder.parent_path();
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0)
    return missing("disk", "cannot stat " + folder.native(), "choose another --results");
  if (::access(folder.c_str(), W_OK) != 0)
    return missing("results folder", folder.native() + " is not writable",
                   "choose another --results");
  const std::uint64_t free_bytes = std::uint64_t{info.f_bavail} * info.f_frsize;
  const std::uint64_t needed = estimated_bundle_bytes(request.experiment);
  const std::string detail =
      fmt::format("{} free in {}, the bundle may take {}", human_bytes(free_bytes), folder.native(),
                  human_bytes(needed));
  if (free_bytes < (64ULL << 20))
    return missing("disk", detail, "free some space or choose another --results");
  if (free_bytes < needed) return warning("disk", detail, "shorten --duration or lower --snaplen");
  return ok("disk", detail);
}

Check check_clock(const DoctorRequest& request) {
  const std::string source = read_value(
      request.root / "sys/devices/system/clocksource/clocksource0/current_clocksource", "unknown");
  if (source == "tsc" || source == "kvm-clock" || source == "arch_sys_counter")
    return ok("clock source", source);
  return warning("clock source", source,
                 "reading it may cost microseconds a packet; prefer tsc or kvm-clock");
}

Check check_cpus() {
  const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (count >= 2) return ok("cpus", std::to_string(count));
  return warning("cpus", std::to_string(count),
                 "sender, receiver and agents share one CPU: rates will be low");
}

Check check_engine(const DoctorRequest& request) {
  try {
    std::string why;
    const auto engine = make_engine(request.experiment.engine, why);
    return ok("engine", fmt::format("{} ({})", engine->name(), why));
  } catch (const Error& e) {
    return missing("engine", e.what(), "start the Docker engine, or use --engine netns");
  }
}

// Tried in a namespace that ends with it. Who may not make one leaves it to the agents.
Check check_link(const Shaping& link) {
  if (!has_capability("CAP_SYS_ADMIN") || !has_capability("CAP_NET_ADMIN"))
    return ok("link", "not tried (needs SYS_ADMIN and NET_ADMIN)");
  try {
    NetNs::create().run([&] { shape_device("lo", link); });
    return ok("link", "can be shaped as asked");
  } catch (const MachineError& e) {
    return missing("link", e.what(), "leave link.delay and link.loss out, or boot another kernel");
  }
}

std::string_view name_of(CheckState state) {
  constexpr std::array<std::string_view, 3> kNames{"ok", "warning", "missing"};
  return kNames.at(static_cast<std::size_t>(state));
}

}  // namespace

void to_json(nlohmann::json& j, const Check& c) {
  j = {{"name", c.name}, {"state", name_of(c.state)}, {"detail", c.detail}, {"fix", c.fix}};
}

std::vector<Check> examine(const DoctorRequest& request) {
  std::vector<Check> checks{check_kernel(request), check_btf(request), check_engine(request)};
  const bool in_containers = checks.back().detail.starts_with("docker");
  if (!in_containers) checks.push_back(check_capabilities());
  checks.push_back(check_memlock(request));
  checks.push_back(check_disk(request));
  checks.push_back(check_clock(request));
  checks.push_back(check_cpus());
  if (!request.experiment.link.is_none()) checks.push_back(check_link(request.experiment.link));
  return checks;
}

std::string first_missing(const std::vector<Check>& checks) {
  const auto found = std::find_if(checks.begin(), checks.end(),
                                  [](const Check& c) { return c.state == CheckState::missing; });
  return found == checks.end() ? ""
                               : fmt::format("{}: {} ({})", found->name, found->detail, found->fix);
}

std::uint64_t estimated_bundle_bytes(const Experiment& e) {
  // Without a bitrate a veth pair carries what the CPUs give; 20 Gbit/s in 64 KiB super-packets is
  // its usual order, with one acknowledgement for each. With one, packets may be as small as the
  // MTU.
  constexpr std::uint64_t kUnlimitedBps = 20'000'000'000, kSuperPacket = 65'536, kMtu = 1'500,
                          kRecordHeader = 16;
  const std::uint64_t bps = e.bitrate_bps == 0
                                ? (e.protocol == Protocol::udp ? 1'048'576 : kUnlimitedBps)
                                : e.bitrate_bps * static_cast<std::uint64_t>(e.parallel);
  const std::uint64_t packet =
      e.bitrate_bps == 0 && e.protocol == Protocol::tcp ? kSuperPacket : kMtu;
  const auto seconds =
      static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(e.duration).count());
  const std::uint64_t packets = 2 * bps / 8 / packet * seconds;
  const std::uint64_t kept = std::min<std::uint64_t>(e.snaplen_bytes, packet) + kRecordHeader;
  constexpr std::uint64_t kRowBytes = 80, kRowsABucket = 12;
  const auto buckets = static_cast<std::uint64_t>(e.duration / e.interval);
  return 2 * packets * kept + buckets * kRowsABucket * kRowBytes;
}

}  // namespace tl
