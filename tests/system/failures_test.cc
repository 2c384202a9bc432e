// Failures of the main job that must end well: one clear line, the right exit code, a clean host, a
// bundle that says where and why.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <random>

#include "base/fd.hh"
#include "support/bundle_checks.hh"
#include "support/fake_server.hh"
#include "support/kills.hh"
#include "support/processes.hh"

namespace tl::failures_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr int kUsage = 2, kMachine = 4, kTraffic = 5, kInterrupted = 130;

// A run in the background whose stderr is read from a file.
struct BackgroundRun {
  BackgroundRun(const std::filesystem::path& folder, const Argv& args)
      : log{folder / "stderr"},
        output{open_fd(folder / "stdout", O_RDWR | O_CREAT | O_TRUNC)},
        errors{open_fd(log, O_RDWR | O_CREAT | O_TRUNC)} {
    ChildOptions options;
    options.stdout_fd = output.get();
    options.stderr_fd = errors.get();
    child.emplace(lab_argv(folder / "results", args), options);
  }
  [[nodiscard]] bool said(const std::string& text) const {
    return read_value(log).find(text) != std::string::npos;
  }
  // The manifest of the finished bundle.
  [[nodiscard]] nlohmann::json manifest() const {
    std::string path = read_value(log.parent_path() / "stdout");
    path = path.substr(path.rfind('\n') + 1);
    return read_json(std::filesystem::path{path} / "manifest.json");
  }
  std::filesystem::path log;
  UniqueFd output, errors;
  std::optional<Child> child;
};

// Reads the pipe until that was said in it.
void wait_for(int pipe, const std::string& text) {
  std::string said;
  for (std::array<char, 4096> some{}; said.find(text) == std::string::npos;) {
    const ssize_t size = ::read(pipe, some.data(), some.size());
    REQUIRE(size > 0);
    said.append(some.data(), static_cast<std::size_t>(size));
  }
}

std::string last_error_line(const LabRun& run) {
  std::string text = run.err;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

// An engine whose Compose brings nothing up, and that does not remove a network before it is told.
class FakeDocker {
 public:
  explicit FakeDocker(const std::filesystem::path& folder) : folder_{folder} {
    write_file_atomic(folder / "docker",
                      "#!/bin/sh\ncase \"$*\" in *version*) echo 2 ;; *' up '*) exit 1 ;; esac\n");
    std::filesystem::permissions(folder / "docker", std::filesystem::perms::owner_all);
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> environment() const {
    return {{"DOCKER_HOST", fmt::format("tcp://127.0.0.1:{}", server_.port())},
            {"PATH", folder_.native() + ":" + std::getenv("PATH")}};
  }

  std::atomic<bool> is_stuck = true;

 private:
  FakeAnswer answer(const FakeRequest& request) {
    FakeAnswer answer;
    answer.status = 200;
    answer.body = "[]";
    answer.without_length = true;
    const bool is_of_a_lab = request.target.find("com.docker.compose.project") != std::string::npos;
    if (request.method == "DELETE" && is_stuck) {
      answer.status = 403;
      answer.body = R"({"message": "it has active endpoints"})";
    } else if (request.method == "DELETE") {
      is_removed_ = true;
    } else if (request.target.starts_with("/networks?") && is_of_a_lab && !is_removed_) {
      answer.body = R"([{"Name": "tl-stuck", "Id": "stuck"}])";
    } else if (request.target.starts_with("/volumes")) {
      answer.body = R"({"Volumes": null})";
    } else if (request.target == "/version") {
      answer.body = "{}";
    }
    return answer;
  }

  std::filesystem::path folder_;
  std::atomic<bool> is_removed_ = false;
  FakeServer server_{[this](const FakeRequest& request, std::size_t) { return answer(request); }};
};

}  // namespace

TEST_CASE(
    "failure: a signal in each phase ends with 130, a clean host and a bundle naming the phase") {
  const auto before = inventory();
  for (const char* phase : {"up", "arm", "traffic", "stop"}) {
    for (const int number : {SIGINT, SIGTERM}) {
      CAPTURE(phase);
      CAPTURE(number);
      const TemporaryFolder folder;
      BackgroundRun run{folder.path(), {"--engine", "netns", "--duration", "2"}};
      REQUIRE(eventually([&] { return run.said(std::string{"] "} + phase); }, 20s));
      run.child->signal(number);
      const auto status = run.child->wait(30s);
      REQUIRE(status.has_value());
      INFO(read_value(run.log));
      CHECK(status->code == kInterrupted);
      const nlohmann::json outcome = run.manifest().at("outcome");
      CHECK(outcome.at("verdict") == "inconclusive");
      CHECK(outcome.at("reason").get<std::string>().starts_with("interrupted"));
    }
  }
  check_nothing_left(before);
}

TEST_CASE("failure: a run whose stderr has lost its reader goes on to its end, on a clean host") {
  const auto before = inventory();
  for (const int stopped_by : {0, SIGTERM}) {
    CAPTURE(stopped_by);
    const TemporaryFolder folder;
    auto [read_end, write_end] = make_pipe();
    const UniqueFd output = open_fd(folder.path() / "stdout", O_RDWR | O_CREAT);
    ChildOptions options;
    options.stdout_fd = output.get();
    options.stderr_fd = write_end.get();
    Child run{lab_argv(folder.path() / "results", {"--engine", "netns", "--duration", "2"}),
              options};
    write_end = UniqueFd{};
    wait_for(read_end.get(), "] traffic");
    read_end = UniqueFd{};
    if (stopped_by != 0) run.signal(stopped_by);
    const auto status = run.wait(30s);
    REQUIRE(status.has_value());
    CHECK(status->signal == 0);
    CHECK(status->code == (stopped_by == 0 ? 0 : kInterrupted));
    const std::filesystem::path bundle = read_value(folder.path() / "stdout");
    CHECK(read_json(bundle / "manifest.json").at("outcome").at("exit_code") == status->code);
  }
  check_nothing_left(before);
}

TEST_CASE("failure: a killed server or client ends the run with 5 and names the service") {
  for (const char* side : {"server", "client"}) {
    CAPTURE(side);
    const TemporaryFolder folder;
    BackgroundRun run{folder.path(), {"--engine", "netns", "--duration", "20"}};
    REQUIRE(eventually([&] { return run.said("] traffic"); }, 20s));
    std::vector<pid_t> pids;
    REQUIRE(eventually(
        [&] {
          return !(pids = descendants(run.child->pid(), std::string{"traffic "} + side)).empty();
        },
        5s));
    ::kill(pids.front(), SIGKILL);
    const auto status = run.child->wait(30s);
    REQUIRE(status.has_value());
    CHECK(status->code == kTraffic);
    const nlohmann::json outcome = run.manifest().at("outcome");
    INFO(outcome.dump());
    CHECK(outcome.at("phase") == "traffic");
    CHECK(outcome.at("verdict") == "fail");
    CHECK(outcome.at("reason").get<std::string>().find(std::string{"iperf-"} + side) !=
          std::string::npos);
  }
}

TEST_CASE("failure: input that is wrong is refused with 2 before anything is made") {
  const TemporaryFolder folder;
  const auto refused = [&](const Argv& args, const std::string& expected) {
    const LabRun run = run_lab(folder.path() / "results", args);
    CAPTURE(printable(args));
    CHECK(run.status.code == kUsage);
    CHECK_MESSAGE(last_error_line(run).find(expected) != std::string::npos, run.err);
    CHECK_FALSE(std::filesystem::exists(folder.path() / "results"));
  };
  for (const char* duration : {"0", "-5", "1e9h", "1500ms", "x"})
    refused({std::string{"--duration="} + duration}, "duration");
  refused({"--port", "70000"}, "port '70000': expected a whole number from 1 to 65535");
  refused({"--engine", "podman"}, "engine 'podman': expected auto, docker, netns");
  refused({"--no-such-option"}, "--no-such-option");
  write_file_atomic(folder.path() / "wrong.yaml", "name: x\ntraffic:\n  prot: udp\n");
  refused({(folder.path() / "wrong.yaml").native()}, "wrong.yaml:3: unknown key 'traffic.prot'");
  refused({(folder.path() / "absent.yaml").native()}, "absent.yaml: No such file or directory");
}

TEST_CASE("failure: a wrong filter or iperf option ends with 2 and leaves a bundle that says so") {
  const TemporaryFolder folder;
  const LabRun filter =
      run_lab(folder.path(), {"--engine", "netns", "--duration", "1", "--filter", "tcp prot 80"});
  INFO(filter.err);
  CHECK(filter.status.code == kUsage);
  const LabRun option = run_lab(
      folder.path(), {"--engine", "netns", "--duration", "1", "--", "--no-such-iperf-option"});
  CHECK(option.status.code == kUsage);
  REQUIRE_FALSE(option.manifest.is_null());
  CHECK(option.manifest.at("outcome").at("phase") == "preflight");
}

TEST_CASE("a flag wins over the file, --reverse=false too") {
  const TemporaryFolder folder;
  write_file_atomic(folder.path() / "reverse.yaml", "traffic: {reverse: true, parallel: 2}\n");
  const auto experiment = [&](const Argv& flags) {
    Argv args{(folder.path() / "reverse.yaml").native(), "--engine", "netns"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--", "--no-such-iperf-option"});  // ends at once, with a bundle
    const LabRun run = run_lab(folder.path() / "results", args);
    REQUIRE_MESSAGE(!run.manifest.is_null(), run.err);
    return run.manifest.at("experiment").get<std::string>();
  };
  CHECK(experiment({}).find("reverse: true") != std::string::npos);
  CHECK(experiment({"--reverse=false"}).find("reverse: false") != std::string::npos);
  CHECK(experiment({"--reverse=false", "--reverse"}).find("reverse: true") != std::string::npos);
  CHECK(experiment({"--parallel=3"}).find("parallel: 3") != std::string::npos);
  CHECK(run_lab(folder.path() / "results", {"--reverse=maybe"}).status.code == kUsage);
}

TEST_CASE("failure: an argument that is not UTF-8 is no failure") {
  const TemporaryFolder folder;
  const LabRun run = run_lab(
      folder.path(), {"--engine", "netns", "--duration", "1", "--", "--title", "M\xfcller"});
  CHECK_MESSAGE(run.status.ok(), run.err);
  REQUIRE_FALSE(run.manifest.is_null());
  CHECK(run.manifest.at("argv").back() == "M\uFFFDller");
  CHECK(run_trafficlab({"verify", run.bundle.native()}).status.ok());
}

TEST_CASE("failure: what Docker does not remove is reported, and kept for the next clean-up") {
  const TemporaryFolder folder;
  FakeDocker docker{folder.path()};
  write_file_atomic(folder.path() / "compose.yaml", "services: {}\n");
  ChildOptions options;
  options.environment = docker.environment();
  const CommandResult run =
      run_command({TL_PROGRAM, "run", "--compose", folder.path() / "compose.yaml", "--results",
                   folder.path() / "results", "--engine", "docker", "--duration", "1"},
                  60s, "", options);
  CHECK(run.status.code == kMachine);
  CHECK_MESSAGE(run.err.find("remove network tl-stuck: docker engine: DELETE /networks/stuck: "
                             "it has active endpoints") != std::string::npos,
                run.err);
  const std::filesystem::path bundle = run.out.substr(0, run.out.find('\n'));
  const std::string journal =
      "journal of dead run " + read_json(bundle / "manifest.json").at("run_id").get<std::string>();
  const auto gc = [&] { return run_command({TL_PROGRAM, "gc"}, 60s, "", options); };
  CommandResult result = gc();
  CHECK_MESSAGE(result.status.code == kMachine, result.out, result.err);
  CHECK(result.out.find(journal) == std::string::npos);
  docker.is_stuck = false;
  result = gc();
  CHECK_MESSAGE(result.status.ok(), result.err);
  CHECK(result.out.find("removed network tl-stuck") != std::string::npos);
  CHECK(result.out.find("removed " + journal) != std::string::npos);
}

TEST_CASE("failure: a results folder that cannot be written ends with 4 and names it") {
  const TemporaryFolder folder;
  write_file_atomic(folder.path() / "file", "");
  const LabRun run =
      run_lab(folder.path() / "file" / "results", {"--engine", "netns", "--duration", "1"});
  CHECK(run.status.code == kMachine);
  CHECK_MESSAGE(run.err.find((folder.path() / "file").native()) != std::string::npos, run.err);
}

TEST_CASE("failure: without root the netns engine says what is lacking and ends with 4") {
  const TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  Argv argv{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
  const Argv run = lab_argv(folder.path() / "results", {"--engine", "netns", "--duration", "1"});
  argv.insert(argv.end(), run.begin(), run.end());
  const CommandResult result = run_command(argv, 30s);
  CHECK(result.status.code == kMachine);
  CHECK_MESSAGE(result.err.find("CAP_SYS_ADMIN") != std::string::npos, result.err);
}

TEST_CASE("failure: a full disk ends the run with a named cause and a clean host") {
  const TemporaryFolder folder;
  const auto before = inventory();
  const std::filesystem::path small = folder.path() / "small";
  std::filesystem::create_directory(small);
  REQUIRE(::mount("tl-small", small.c_str(), "tmpfs", 0, "size=80m") == 0);
  // Room enough for preflight, then less than the captures need.
  const LabRun run = run_lab(
      small, {"--engine", "netns", "--duration", "8", "--snaplen", "65535", "--bitrate", "500M"});
  CHECK_MESSAGE((run.status.code == kMachine || run.status.code == 3), run.err);
  CHECK_MESSAGE(run.err.find("No space left on device") != std::string::npos, run.err);
  ::umount2(small.c_str(), MNT_DETACH);
  check_nothing_left(before);
}

TEST_CASE("failure: 15 kills at random times on the netns engine leave nothing") {
  const std::uint64_t seed = std::random_device{}();
  const KillCounts counts =
      kill_at_random({"--engine", "netns", "--duration", "2"}, 15, 3500ms, seed);
  MESSAGE(
      fmt::format("netns, seed {}: {} kills, {} things left behind, {} bundles without an outcome",
                  seed, counts.kills, counts.left_behind, counts.without_manifest));
  CHECK(counts.kills == 15);
  CHECK(counts.left_behind == 0);
  CHECK(counts.without_manifest == 0);
}
}  // namespace tl::failures_test
