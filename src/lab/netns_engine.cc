#include "lab/netns_engine.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <set>

#include "base/errors.hh"
#include "base/netns.hh"
#include "base/units.hh"
#include "lab/compose_file.hh"
#include "lab/folder_view.hh"
#include "lab/subnet.hh"

namespace tl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kCommandLimit{10};
constexpr milliseconds kDownGrace{2000};

// What a container keeps unless cap_drop says otherwise: the default list of Docker and other
// engines.
constexpr std::array kDefaultCapabilities{
    "CHOWN",   "DAC_OVERRIDE", "FSETID",           "FOWNER",
    "MKNOD",   "NET_RAW",      "SETGID",           "SETUID",
    "SETFCAP", "SETPCAP",      "NET_BIND_SERVICE", "SYS_CHROOT",
    "KILL",    "AUDIT_WRITE"};

cap_value_t capability(const std::string& service, const std::string& name) {
  cap_value_t value = 0;
  std::string lower = name.starts_with("CAP_") ? name.substr(4) : name;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (::cap_from_name(("cap_" + lower).c_str(), &value) != 0)
    throw UsageError{fmt::format("service {}: unknown capability '{}'", service, name)};
  return value;
}

// The capabilities a service may have at all.
std::set<cap_value_t> allowed_capabilities(const ComposeService& s) {
  std::set<cap_value_t> allowed;
  for (const char* name : kDefaultCapabilities) allowed.insert(capability(s.name, name));
  for (const std::string& name : s.cap_drop) {
    if (name == "ALL")
      allowed.clear();
    else
      allowed.erase(capability(s.name, name));
  }
  for (const std::string& name : s.cap_add) allowed.insert(capability(s.name, name));
  return allowed;
}

// As in a container: nothing of the controller's environment, which may hold secrets.
constexpr const char* kServicePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
};

Identity identity_of(const ComposeService& s) {
  if (s.user.empty()) return {};
  const std::size_t colon = s.user.find(':');
  Identity identity;
  identity.uid = static_cast<uid_t>(parse_integer(s.user.substr(0, colon), 0, 4294967294, "user"));
  if (colon != std::string::npos)
    identity.gid =
        static_cast<gid_t>(parse_integer(s.user.substr(colon + 1), 0, 4294967294, "group"));
  return identity;
}

// Between fork and exec: into the namespace, then down to what the service may do. System calls
// only.
int confine(int netns_fd, const std::vector<FolderView>& views,
            const std::set<cap_value_t>& allowed, Identity identity) {
  for (const FolderView& view : views)
    if (const int error = view.enter(); error != 0) return error;
  if (::setns(netns_fd, CLONE_NEWNET) != 0) return errno;
  for (cap_value_t c = 0; ::prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; ++c)
    if (!allowed.contains(c) && ::prctl(PR_CAPBSET_DROP, c, 0, 0, 0) != 0) return errno;
  if (::setgroups(0, nullptr) != 0) return errno;
  if (::setresgid(identity.gid, identity.gid, identity.gid) != 0) return errno;
  // For a user other than root this empties the capability sets; root's are limited to the bounding
  // set by exec.
  if (::setresuid(identity.uid, identity.uid, identity.uid) != 0) return errno;
  return 0;
}

// As in a container without IPv6: devices made from here on have no IPv6 and send no reports of
// their own, so that the lab carries nothing but the test. (Writing to `all` would overwrite
// `default`: addrconf_disable_ipv6.)
void quieten_ipv6() {
  try {
    const UniqueFd file = open_fd("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
    write_all(file.get(), "1", "disable_ipv6");
  } catch (const MachineError&) {
    return;  // a kernel without IPv6
  }
}

// As Docker does: services without capabilities may listen at any port.
void open_low_ports() {
  const UniqueFd file = open_fd("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY);
  write_all(file.get(), "0", "ip_unprivileged_port_start");
}

class NetnsEngine : public Engine {
 public:
  ~NetnsEngine() override { (void)NetnsEngine::down(); }
  [[nodiscard]] std::string name() const override { return "netns"; }

  [[nodiscard]] std::map<std::string, std::string> facts() const override {
    std::map<std::string, std::string> facts{{"subnet", subnet_}};
    if (find_program("ip")) {
      std::string version = run_command({"ip", "-V"}, kCommandLimit).out;
      version.erase(version.find_last_not_of('\n') + 1);
      facts["iproute2"] = version;
    }
    return facts;
  }

  std::vector<Service> up(const LabRequest& request, StopSignals& stop) override {
    Variables variables = request.variables;
    variables["TRAFFICLAB_SUBNET"] = subnet_ = request.choose_subnet({}).text();
    variables["TRAFFICLAB_BRIDGE"] = "tl-" + request.run_id;
    const ComposeFile compose = parse_compose(request.compose_file, variables);
    try {
      make_networks(compose);
      std::vector<Service> services;
      for (const ComposeService& s : compose.services) {
        if (stop.received()) throw Interrupted{"interrupted while the lab came up"};
        services.push_back(start(s, request));
      }
      return services;
    } catch (...) {
      (void)down();
      throw;
    }
  }

  void signal(const std::string& service, int number) override {
    const auto child = children_.find(service);
    if (child != children_.end()) child->second.signal(number);
  }

  std::optional<ServiceEnd> ended(const std::string& service) override {
    const auto child = children_.find(service);
    if (child == children_.end()) return std::nullopt;
    const auto status = child->second.poll_status();
    return status ? std::optional{ServiceEnd{*status, false}} : std::nullopt;
  }

  void collect_logs() override {}  // services write their log files themselves

  std::vector<std::string> down() override {
    for (auto& [name, child] : children_) child.signal(SIGTERM);
    const Deadline limit{kDownGrace};
    for (auto& [name, child] : children_) (void)child.terminate(milliseconds{limit.remaining_ms()});
    children_.clear();
    namespaces_.clear();
    return {};
  }

 private:
  // Namespaces, one bridge a network, one veth pair a service and network. `ip` takes each
  // namespace's commands at once.
  void make_networks(const ComposeFile& compose) {
    const NetNs& hub = namespaces_.emplace("", NetNs::create()).first->second;
    std::string hub_commands;
    // A bridge that snoops joins a multicast group of its own, and reports that to every port.
    for (const ComposeNetwork& n : compose.networks)
      hub_commands +=
          fmt::format("link add tl-{0} type bridge mcast_snooping 0\nlink set tl-{0} up\n",
                      index_of(compose, n.name));
    hub.run([&] {
      quieten_ipv6();
      must_run({"ip", "-batch", "-"}, kCommandLimit, hub_commands);
    });
    hub_commands.clear();
    std::map<std::string, std::uint32_t> next_address;
    for (const ComposeService& s : compose.services) {
      if (s.network_mode.starts_with("service:")) continue;
      const NetNs& own = namespaces_.emplace(s.name, NetNs::create()).first->second;
      std::string commands;
      for (std::size_t i = 0; i < s.networks.size(); ++i) {
        const std::size_t network = index_of(compose, s.networks[i]);
        const Subnet subnet = parse_subnet(
            compose.networks[network].subnet.empty() ? subnet_ : compose.networks[network].subnet);
        const std::string address =
            subnet.address(2 + next_address[s.networks[i]]++);  // 1 is the bridge's, as in Docker
        const std::string port = fmt::format("tl-p{}", ports_++);
        commands += fmt::format(
            "link add eth{0} type veth peer name {1} netns /proc/{2}/fd/{3}\naddr add {4}/{5} dev "
            "eth{0}\nlink set eth{0} up\n",
            i, port, ::getpid(), hub.fd(), address, subnet.prefix_length);
        hub_commands += fmt::format("link set {} master tl-{} up\n", port, network);
        if (i == 0) addresses_[s.name] = address;
      }
      if (commands.empty()) continue;
      own.run([&] {
        quieten_ipv6();
        open_low_ports();
        must_run({"ip", "-batch", "-"}, kCommandLimit, commands);
      });
    }
    if (!hub_commands.empty())
      hub.run([&] { must_run({"ip", "-batch", "-"}, kCommandLimit, hub_commands); });
  }

  static std::size_t index_of(const ComposeFile& compose, const std::string& network) {
    const auto found = std::find_if(compose.networks.begin(), compose.networks.end(),
                                    [&](const ComposeNetwork& n) { return n.name == network; });
    return static_cast<std::size_t>(found - compose.networks.begin());
  }

  Service start(const ComposeService& s, const LabRequest& request) {
    const std::string owner =
        s.network_mode.starts_with("service:") ? s.network_mode.substr(8) : s.name;
    const int netns_fd = namespaces_.at(owner).fd();
    const std::set<cap_value_t> allowed = allowed_capabilities(s);
    const Identity identity = identity_of(s);
    const UniqueFd log =
        open_fd(request.log_folder / (s.name + ".log"), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
    std::vector<FolderView> views;
    for (const std::string& folder : s.volumes) views.emplace_back(folder);
    Argv argv = s.entrypoint.empty() ? Argv{"/proc/self/exe"} : s.entrypoint;
    argv.insert(argv.end(), s.command.begin(), s.command.end());
    ChildOptions options;
    options.environment = {{"PATH", kServicePath}};
    options.environment.insert(options.environment.end(), s.environment.begin(),
                               s.environment.end());
    options.inherits_environment = false;
    options.stdout_fd = options.stderr_fd = log.get();
    options.prepare = [&] { return confine(netns_fd, views, allowed, identity); };
    const Child& child = children_.emplace(s.name, Child{argv, options}).first->second;
    const auto address = addresses_.find(s.name);
    const bool has_address = address != addresses_.end();
    return {s.name, child.pid(), has_address ? address->second : "", has_address ? "eth0" : "", ""};
  }

  std::map<std::string, NetNs> namespaces_;  // by service; "" is the one with the bridges
  std::map<std::string, Child> children_;
  std::map<std::string, std::string> addresses_;
  std::string subnet_;
  int ports_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_netns_engine() {
  if (!find_program("ip"))
    throw MachineError{"netns engine: no program 'ip' (apt-get install iproute2)"};
  return std::make_unique<NetnsEngine>();
}

}  // namespace tl
