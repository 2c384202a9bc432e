#include "lab/docker_api.hh"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "base/errors.hh"

namespace tl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// What differs between containers, networks and volumes in the API.
struct KindRow {
  std::string_view name, list_path, item_path, remove_query;
};
constexpr std::array kKindRows{
    KindRow{"container", "/containers/json?all=1&", "/containers/", "?force=1&v=1"},
    KindRow{"network", "/networks?", "/networks/", ""},
    KindRow{"volume", "/volumes?", "/volumes/", "?force=1"},
};
const KindRow& row_of(DockerKind kind) { return kKindRows.at(static_cast<std::size_t>(kind)); }

std::string message_of(const HttpResponse& response) {
  const json body = json::parse(response.body, nullptr, false);
  if (body.is_object() && body.contains("message")) return body.at("message").get<std::string>();
  return fmt::format("status {}", response.status);
}

// Volumes come inside an object and may be null; containers have a list of names.
DockerObject object_of(const json& item, DockerKind kind) {
  DockerObject object;
  if (kind == DockerKind::container) {
    const std::string name = item.at("Names").empty() ? "" : item.at("Names").at(0);
    object.name = name.starts_with('/') ? name.substr(1) : name;
  } else {
    object.name = item.at("Name");
  }
  object.id = kind == DockerKind::volume ? object.name : item.at("Id").get<std::string>();
  if (item.contains("Labels") && item.at("Labels").is_object())
    object.labels = item.at("Labels").get<std::map<std::string, std::string>>();
  return object;
}

}  // namespace

std::string_view name_of(DockerKind kind) { return row_of(kind).name; }

std::string DockerObject::label(const std::string& key) const {
  const auto found = labels.find(key);
  return found == labels.end() ? "" : found->second;
}

std::string default_docker_host() {
  if (const char* host = std::getenv("DOCKER_HOST"); host != nullptr && *host != 0) return host;
  const std::filesystem::path system = "/var/run/docker.sock";
  std::error_code none;
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr) {
    const std::filesystem::path own = std::filesystem::path{runtime} / "docker.sock";
    if (!std::filesystem::exists(system, none) && std::filesystem::exists(own, none))
      return "unix://" + own.native();
  }
  return "unix://" + system.native();
}

DockerApi::DockerApi(std::string host) : host_{std::move(host)} {
  if (host_.starts_with("unix://")) {
    socket_ = host_.substr(7);
    base_url_ = "http://docker";
  } else if (host_.starts_with("tcp://")) {
    base_url_ = "http://" + host_.substr(6);
  } else if (host_.starts_with("http://")) {
    base_url_ = host_;
  } else {
    throw UsageError{
        fmt::format("DOCKER_HOST '{}': expected unix://PATH or tcp://HOST:PORT", host_)};
  }
}

HttpResponse DockerApi::request(const std::string& method, const std::string& path, int accepted,
                                milliseconds limit) {
  HttpResponse response;
  try {
    response = client_.send(
        {.method = method, .url = base_url_ + path, .timeout = limit, .unix_socket = socket_});
  } catch (const MachineError& e) {
    throw MachineError{fmt::format("docker engine at {} does not answer: {}", host_, e.what())};
  }
  if (!response.ok() && response.status != accepted)
    throw MachineError{fmt::format("docker engine: {} {}: {}", method,
                                   path.substr(0, path.find('?')), message_of(response))};
  return response;
}

void DockerApi::ping(milliseconds limit) { (void)request("GET", "/_ping", 0, limit); }

json DockerApi::version() { return json::parse(request("GET", "/version").body); }

std::vector<DockerObject> DockerApi::list(DockerKind kind, const std::string& label) {
  const std::string filters = json{{"label", {label}}}.dump();
  const json answer = json::parse(
      request("GET", fmt::format("{}filters={}", row_of(kind).list_path, url_encoded(filters)))
          .body);
  const json& items = kind == DockerKind::volume ? answer.at("Volumes") : answer;
  std::vector<DockerObject> objects;
  for (const json& item : items) objects.push_back(object_of(item, kind));  // null has none
  return objects;
}

void DockerApi::remove(DockerKind kind, const std::string& id) {
  constexpr int kGone = 404;
  (void)request("DELETE",
                fmt::format("{}{}{}", row_of(kind).item_path, id, row_of(kind).remove_query),
                kGone);
}

std::vector<DockerContainer> DockerApi::running() {
  std::vector<DockerContainer> containers;
  for (const json& item : json::parse(request("GET", "/containers/json").body)) {
    const json state = inspect(item.at("Id").get<std::string>());
    const auto pid = state.at("State").at("Pid").get<pid_t>();
    // It may have ended between the two questions.
    if (pid != 0) containers.push_back({state.at("Name").get<std::string>().substr(1), pid});
  }
  return containers;
}

pid_t DockerApi::pid_of(const std::string& container) {
  constexpr int kNone = 404;
  const HttpResponse response =
      request("GET", fmt::format("/containers/{}/json", url_encoded(container)), kNone);
  if (response.status == kNone)
    throw UsageError{fmt::format("container '{}': {}", container, message_of(response))};
  const auto pid = json::parse(response.body).at("State").at("Pid").get<pid_t>();
  if (pid == 0) throw UsageError{fmt::format("container '{}': it is not running", container)};
  return pid;
}

json DockerApi::inspect(const std::string& container) {
  return json::parse(request("GET", fmt::format("/containers/{}/json", container)).body);
}

void DockerApi::signal(const std::string& container, int number) {
  constexpr int kNotRunning = 409;
  (void)request("POST", fmt::format("/containers/{}/kill?signal={}", container, number),
                kNotRunning);
}

std::string DockerApi::logs(const std::string& container, int lines) {
  const std::string stream =
      request("GET", fmt::format("/containers/{}/logs?stdout=1&stderr=1&tail={}", container, lines))
          .body;
  return inspect(container).at("Config").at("Tty").get<bool>() ? stream : demultiplexed(stream);
}

std::optional<std::string> DockerApi::image_id(const std::string& name) {
  constexpr int kNone = 404;
  const HttpResponse response = request("GET", fmt::format("/images/{}/json", name), kNone);
  if (response.status == kNone) return std::nullopt;
  return json::parse(response.body).at("Id").get<std::string>();
}

void DockerApi::prune_images(const std::string& label) {
  constexpr int kPruning = 409;  // somebody else does it at the moment
  const std::string filters = json{{"dangling", {"true"}}, {"label", {label}}}.dump();
  (void)request("POST", "/images/prune?filters=" + url_encoded(filters), kPruning,
                std::chrono::minutes{1});
}

std::vector<Subnet> DockerApi::subnets() {
  std::vector<Subnet> subnets;
  for (const json& network : json::parse(request("GET", "/networks").body)) {
    const json& config = network.at("IPAM").at("Config");
    for (const json& range : config.is_array() ? config : json::array()) {
      const std::string text = range.value("Subnet", "");
      if (text.find('.') != std::string::npos) subnets.push_back(parse_subnet(text));
    }
  }
  return subnets;
}

std::string demultiplexed(std::string_view stream) {
  constexpr std::size_t kHeader = 8;
  std::string text;
  while (stream.size() >= kHeader) {
    std::size_t length = 0;
    for (std::size_t i = 4; i < kHeader; ++i)
      length = length << 8 | static_cast<unsigned char>(stream[i]);
    stream.remove_prefix(kHeader);
    text += stream.substr(0, length);
    stream.remove_prefix(std::min(length, stream.size()));
  }
  return text;
}

}  // namespace tl
