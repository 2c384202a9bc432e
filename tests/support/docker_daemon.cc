#include "support/docker_daemon.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <set>
#include <sstream>

#include "base/errors.hh"
#include "base/netlink.hh"
#include "lab/image.hh"
#include "support/processes.hh"

namespace tl::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr const char* kConfigFolder = "/etc/docker";  // dockerd writes a key there

fs::path data_folder() { return fs::path{TL_SOURCE_DIR} / "build/docker-tests"; }

UniqueFd lock_data() {
  fs::create_directories(data_folder());
  UniqueFd lock = open_fd(data_folder() / "lock", O_RDWR | O_CREAT);
  if (::flock(lock.get(), LOCK_EX) != 0)
    throw_errno("lock", "the data of the tests' Docker engine");
  return lock;
}

Argv daemon_argv(const fs::path& folder, const std::string& cgroup, DaemonNetwork network) {
  Argv argv{"dockerd",
            "--host=unix://" + (folder / "docker.sock").native(),
            "--data-root=" + (data_folder() / "data").native(),
            "--exec-root=" + (folder / "exec").native(),
            "--pidfile=" + (folder / "docker.pid").native(),
            "--cgroup-parent=/" + cgroup,
            "--shutdown-timeout=3",
            "--log-level=warn"};
  if (network == DaemonNetwork::host)
    argv.insert(argv.end(),
                {"--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"});
  return argv;
}

// In the child: a mount namespace whose mounts nobody else sees and that all go with its last
// process. System calls only.
int isolate(const char* config_folder, int netns_fd) {
  if (::unshare(CLONE_NEWNS) != 0) return errno;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
  if (::mount(config_folder, kConfigFolder, nullptr, MS_BIND, nullptr) != 0) return errno;
  if (netns_fd >= 0 && ::setns(netns_fd, CLONE_NEWNET) != 0) return errno;
  return 0;
}

// Processes of an engine that has ended: containerd and its shims, which name its exec folder, and
// those in its cgroups (containers).
std::set<pid_t> processes_of(const std::string& exec_folder, const std::string& cgroup) {
  std::set<pid_t> found;
  for (const auto& entry : fs::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename().native();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (read_value(entry.path() / "cmdline").find(exec_folder) != std::string::npos ||
        read_value(entry.path() / "cgroup").find("/" + cgroup + "/") != std::string::npos)
      found.insert(std::stoi(name));
  }
  return found;
}

// Every hierarchy has its own tree (cgroups v1), or there is one (v2). Inner folders go first.
// Returns whether nothing is left; a folder whose last process just died stays busy for a moment.
bool remove_cgroups(const std::string& cgroup) {
  std::error_code none;
  std::vector<fs::path> tops{fs::path{"/sys/fs/cgroup"} / cgroup};
  for (const auto& hierarchy : fs::directory_iterator{"/sys/fs/cgroup", none})
    if (hierarchy.is_directory(none)) tops.push_back(hierarchy.path() / cgroup);
  for (const fs::path& top : tops) {
    if (!fs::is_directory(top, none)) continue;
    std::vector<fs::path> folders{top};
    for (const auto& entry : fs::recursive_directory_iterator{top, none})
      if (entry.is_directory(none)) folders.push_back(entry.path());
    std::for_each(folders.rbegin(), folders.rend(), [](const fs::path& f) { ::rmdir(f.c_str()); });
  }
  return std::none_of(tops.begin(), tops.end(),
                      [&](const fs::path& f) { return fs::exists(f, none); });
}

// Rules without packet counts and comments, which differ from one moment to the next.
std::vector<std::string> firewall_rules() {
  std::vector<std::string> rules;
  std::istringstream lines{run_command({"iptables-save"}, seconds{30}).out};
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with('#')) rules.push_back("firewall " + line.substr(0, line.find(" [")));
  return rules;
}

}  // namespace

DockerDaemon::DockerDaemon(DaemonNetwork network)
    : lock_{lock_data()},
      network_{network},
      netns_{network == DaemonNetwork::own ? NetNs::create() : NetNs::current()},
      cgroup_{folder_.path().filename().native()} {
  fs::create_directory(folder_.path() / "config");
  made_config_folder_ = fs::create_directory(kConfigFolder);
  try {
    start();
  } catch (...) {
    end_everything();
    throw;
  }
}

DockerDaemon::~DockerDaemon() {
  stop();
  end_everything();
}

void DockerDaemon::start() {
  const UniqueFd log = open_fd(data_folder() / "dockerd.log", O_WRONLY | O_CREAT | O_APPEND);
  const std::string config = folder_.path() / "config";
  ChildOptions options;
  options.stdout_fd = options.stderr_fd = log.get();
  options.prepare = [&] {
    return isolate(config.c_str(), network_ == DaemonNetwork::own ? netns_.fd() : -1);
  };
  daemon_.emplace(daemon_argv(folder_.path(), cgroup_, network_), options);
  const bool answers = eventually(
      [&] {
        try {
          api().ping();
          return true;
        } catch (const MachineError&) {
          return daemon_->poll_status().has_value();  // then the next check fails
        }
      },
      seconds{60});
  if (!answers || daemon_->poll_status())
    throw MachineError{"start dockerd: see " + (data_folder() / "dockerd.log").native()};
  // What a test that was killed left in the data folder.
  for (const DockerKind kind : {DockerKind::container, DockerKind::network, DockerKind::volume})
    for (const DockerObject& object : api().list(kind, "com.docker.compose.project"))
      api().remove(kind, object.id);
}

void DockerDaemon::stop() {
  if (!daemon_) return;
  daemon_->signal(SIGCONT);  // a test may have stopped it
  (void)daemon_->terminate(seconds{30});
}

void DockerDaemon::end_everything() {
  const std::string exec_folder = (folder_.path() / "exec").native();
  (void)eventually(
      [&] {
        const std::set<pid_t> left = processes_of(exec_folder, cgroup_);
        for (const pid_t pid : left) ::kill(pid, SIGKILL);
        return left.empty();
      },
      seconds{10});
  (void)eventually([&] { return remove_cgroups(cgroup_); }, seconds{5});
  if (made_config_folder_) ::rmdir(kConfigFolder);
}

std::string DockerDaemon::host() const {
  return "unix://" + (folder_.path() / "docker.sock").native();
}

std::vector<std::pair<std::string, std::string>> DockerDaemon::environment() const {
  return {{"DOCKER_HOST", host()}};
}

std::string DockerDaemon::docker(Argv words) const {
  words.insert(words.begin(), "docker");
  ChildOptions options;
  options.environment = environment();
  return must_run(words, seconds{120}, "", options);
}

std::string DockerDaemon::base_image() const {
  ChildOptions options;
  options.environment = environment();
  std::string name = must_run({TL_SOURCE_DIR "/docker/base-image.sh"}, seconds{600}, "", options);
  name.erase(name.find_last_not_of('\n') + 1);
  return name;
}

std::vector<std::string> DockerDaemon::inventory() const {
  std::vector<std::string> lines;
  for (const Argv& listing : {Argv{"ps", "--all", "--format", "container {{.Names}}"},
                              Argv{"network", "ls", "--format", "network {{.Name}}"},
                              Argv{"volume", "ls", "--format", "volume {{.Name}}"}}) {
    std::istringstream names{docker(listing)};
    for (std::string line; std::getline(names, line);) lines.push_back(line);
  }
  netns_.run([&] {
    for (const Link& link : list_links()) lines.push_back("link " + link.name);
    const std::vector<std::string> rules = firewall_rules();
    lines.insert(lines.end(), rules.begin(), rules.end());
  });
  std::sort(lines.begin(), lines.end());
  return lines;
}

void make_lab_image() {
  const std::string name = image_name(source_root());
  {
    const DockerDaemon daemon;  // quicker than the other kind, and usually it has the image
    if (daemon.api().image_id(name)) return;
  }
  const DockerDaemon builder{DaemonNetwork::host};
  DockerApi api = builder.api();
  StopSignals stop;
  ensure_image(api, {source_root(), data_folder() / "image-build.log", [](const std::string&) {}},
               stop);
}

ScopedVariable::ScopedVariable(std::string name, const std::string& value)
    : name_{std::move(name)} {
  if (const char* before = std::getenv(name_.c_str()); before != nullptr) before_ = before;
  ::setenv(name_.c_str(), value.c_str(), 1);
}

ScopedVariable::~ScopedVariable() {
  if (before_)
    ::setenv(name_.c_str(), before_->c_str(), 1);
  else
    ::unsetenv(name_.c_str());
}

}  // namespace tl::test
