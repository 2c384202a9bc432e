#include "support/lab_run.hh"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/fd.hh"
#include "base/netlink.hh"

namespace tl::test {
namespace {

using std::chrono::seconds;

void add_lines(std::vector<std::string>& to, const std::string& kind, const std::string& text) {
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) to.push_back(kind + " " + line);
}

// Output of a command, or nothing when this machine does not have it.
std::string output_of(const Argv& argv) {
  return find_program(argv[0]) ? run_command(argv, seconds{30}).out : std::string{};
}

// Network namespaces of all processes, as inode numbers.
std::set<std::string> namespaces() {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename().native();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path() / "ns/net", gone);
    if (!gone) found.insert(target.native());
  }
  return found;
}

}  // namespace

Argv lab_argv(const std::filesystem::path& results, const Argv& args) {
  Argv argv{TL_PROGRAM,  "run",           "--compose", TL_SOURCE_DIR "/compose.yaml",
            "--results", results.native()};
  argv.insert(argv.end(), args.begin(), args.end());
  return argv;
}

CommandResult run_trafficlab(const Argv& args) {
  Argv argv{TL_PROGRAM};
  argv.insert(argv.end(), args.begin(), args.end());
  return run_command(argv, seconds{60});
}

nlohmann::json read_json(const std::filesystem::path& file) {
  return nlohmann::json::parse(read_file(file));
}

LabRun run_lab(const std::filesystem::path& results, const Argv& args, seconds limit) {
  const CommandResult result = run_command(lab_argv(results, args), limit);
  LabRun run{result.status, result.out, result.err, {}, nullptr};
  std::istringstream lines{run.out};
  for (std::string line; std::getline(lines, line);) run.bundle = line;
  if (!run.bundle.empty() && std::filesystem::exists(run.bundle / "manifest.json"))
    run.manifest = read_json(run.bundle / "manifest.json");
  return run;
}

std::vector<std::string> inventory() {
  std::vector<std::string> lines;
  for (const Link& link : list_links()) lines.push_back("link " + link.name);
  for (const std::string& ns : namespaces()) lines.push_back("namespace " + ns);
  add_lines(lines, "named-namespace", output_of({"ip", "netns", "list"}));
  add_lines(lines, "firewall", output_of({"iptables-save"}));
  std::istringstream programs{output_of({"bpftool", "prog", "show"})};
  for (std::string line; std::getline(programs, line);)
    if (line.find("  name tl_") != std::string::npos)
      lines.push_back("bpf " + line.substr(0, line.find("tag")));
  // Processes of ours: the program's own name, whatever its arguments.
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename().native();
    if (name.find_first_not_of("0123456789") == std::string::npos &&
        read_value(entry.path() / "comm") == "trafficlab")
      lines.push_back("process " + name);
  }
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator{"/run/trafficlab", none})
    if (entry.path().extension() == ".json") lines.push_back("journal " + entry.path().native());
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> added(const std::vector<std::string>& before,
                               const std::vector<std::string>& after) {
  std::vector<std::string> difference;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(difference));
  return difference;
}

}  // namespace tl::test
