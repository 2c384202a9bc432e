#include "lab/image.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/errors.hh"
#include "base/sha256.hh"
#include "lab/journal.hh"
#include "lab/watched_command.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// What docker/Dockerfile copies, and what says how it is made (.dockerignore lists the same).
constexpr std::array kInputs{
    "CMakeLists.txt",       "CMakePresets.json", "bpf", "cmake",       "docker",
    "scripts/packages.txt", "scripts/setup.sh",  "src", "third_party", "web"};
constexpr minutes kBaseLimit{10}, kBuildLimit{60};

std::vector<fs::path> input_files(const fs::path& root) {
  std::vector<fs::path> files;
  for (const char* input : kInputs) {
    const fs::path path = root / input;
    if (fs::is_regular_file(path)) files.push_back(path);
    if (!fs::is_directory(path)) continue;
    for (const auto& entry : fs::recursive_directory_iterator{path})
      if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Only one of several runs builds; the others then find the image.
UniqueFd lock_build(const ImageRequest& request, StopSignals& stop) {
  UniqueFd lock = open_fd(journal_folder() / "image.lock", O_RDWR | O_CREAT, 0600);
  bool told = false;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) throw_errno("lock", "build of the image");
    if (!told) request.note("another run builds the image: waiting for it");
    told = true;
    if (stop.wait(Deadline{milliseconds{100}}))
      throw Interrupted{"interrupted while another run built the image"};
  }
  return lock;
}

// One `docker build` of the tree, whose output ends in the log.
void run_build(const WatchedCommand& common, const Argv& more, StopSignals& stop) {
  WatchedCommand command = common;
  command.argv.insert(command.argv.end() - 1, more.begin(), more.end());  // the folder stays last
  if (!run_watched(command, &stop).ok())
    throw MachineError{fmt::format("build image {}: {} (whole output in {})", more.back(),
                                   explains(command.log), command.log.filename().native())};
}

void build(DockerApi& api, const std::string& name, const ImageRequest& request,
           StopSignals& stop) {
  request.note(fmt::format("building image {}: minutes the first time", name));
  WatchedCommand command{.argv = {(request.source_root / "docker/base-image.sh").native()},
                         .environment = {{"DOCKER_HOST", api.host()}},
                         .log = request.log,
                         .limit = kBaseLimit};
  const std::string base = answer_of(command, &stop);
  command.limit = kBuildLimit;
  // The client's default builder may be BuildKit, which needs this plugin.
  const bool has_buildx = run_command({"docker", "buildx", "version"}, seconds{10}).status.ok();
  if (!has_buildx) command.environment.emplace_back("DOCKER_BUILDKIT", "0");
  // The host's network reaches the package sources wherever the host does.
  command.argv = {"docker",
                  "build",
                  "--network",
                  "host",
                  "--build-arg",
                  "BASE=" + base,
                  "--file",
                  (request.source_root / "docker/Dockerfile").native(),
                  request.source_root.native()};
  if (!has_buildx) command.argv.insert(command.argv.end() - 1, "--force-rm");
  run_build(command, {"--target", "packages", "--tag", "trafficlab-packages"}, stop);
  run_build(command, {"--tag", name}, stop);
  api.prune_images("trafficlab.stage=build");
}

}  // namespace

fs::path source_root() { return TRAFFICLAB_SOURCE_ROOT; }

std::string image_name(const fs::path& source_root) {
  if (!fs::exists(source_root / "docker/Dockerfile"))
    throw MachineError{fmt::format(
        "make the image: no source tree at {} (set TRAFFICLAB_IMAGE to an image that is there)",
        source_root.native())};
  std::string list;
  for (const fs::path& file : input_files(source_root))
    list += fmt::format("{} {}\n", fs::relative(file, source_root).native(), sha256_of_file(file));
  constexpr std::size_t kDigits = 16;
  return "trafficlab:" + sha256(list).substr(0, kDigits);
}

std::string ensure_image(DockerApi& api, const ImageRequest& request, StopSignals& stop) {
  if (const char* given = std::getenv("TRAFFICLAB_IMAGE"); given != nullptr && *given != 0) {
    if (!api.image_id(given))
      throw MachineError{fmt::format(
          "use image {} (TRAFFICLAB_IMAGE): the Docker engine does not have it", given)};
    return given;
  }
  std::string name = image_name(request.source_root);
  if (api.image_id(name)) return name;
  const UniqueFd lock = lock_build(request, stop);
  if (!api.image_id(name)) build(api, name, request, stop);
  return name;
}

}  // namespace tl
