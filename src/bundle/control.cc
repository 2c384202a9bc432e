#include "bundle/control.hh"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "base/dump_json.hh"
#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {

Control::Control(const std::filesystem::path& run_folder) : folder_{run_folder / "control"} {
  std::filesystem::create_directories(folder_);
}

void Control::post(const std::string& name, const nlohmann::json& message, Sync sync) const {
  write_file_atomic(folder_ / (name + ".json"), dump_json(message, 1) + "\n", sync);
}

std::optional<nlohmann::json> Control::read(const std::string& name) const {
  const std::filesystem::path path = folder_ / (name + ".json");
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    return nlohmann::json::parse(read_file(path));
  } catch (const nlohmann::json::exception& e) {
    throw MeasurementError{"read " + path.native() + ": " + e.what()};
  }
}

std::optional<nlohmann::json> Control::await(const std::string& name, const Deadline& deadline,
                                             int stop_fd) const {
  const UniqueFd watch{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  if (!watch.valid() || ::inotify_add_watch(watch.get(), folder_.c_str(), IN_MOVED_TO) < 0)
    throw_errno("watch", folder_.native());
  for (;;) {
    // Looked at after the watch exists, so a message posted in between is not missed.
    if (auto message = read(name)) return message;
    if (deadline.passed()) return std::nullopt;
    std::array<pollfd, 2> wanted{pollfd{watch.get(), POLLIN, 0}, pollfd{stop_fd, POLLIN, 0}};
    ::poll(wanted.data(), wanted.size(), deadline.remaining_ms());
    if (wanted[1].revents != 0) return std::nullopt;
    alignas(inotify_event) std::array<char, 4096> events;
    while (::read(watch.get(), events.data(), events.size()) > 0) {
    }
  }
}

}  // namespace tl
