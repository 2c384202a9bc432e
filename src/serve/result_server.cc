#include "serve/result_server.hh"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/errors.hh"
#include "bundle/manifest.hh"
#include "compare/comparison_report.hh"
#include "serve/bundle_index.hh"
#include "serve/json_members.hh"
#include "serve/live_watch.hh"
#include "serve/pages.hh"
#include "serve/result_folder.hh"

namespace tl {
namespace {

using httplib::Request;
using httplib::Response;

constexpr std::size_t kThreads = 16;     // each holds one connection open
constexpr int kMostWatchers = 8;         // so that lists and reports always have threads
constexpr std::size_t kMostPath = 2048;  // longer than any path of a bundle
constexpr std::size_t kMostComparedBytes = 16U << 20;  // of a document
constexpr std::chrono::milliseconds kLookAgain{100};
constexpr std::chrono::seconds kReadLimit{5};

// How a browser takes a file of a bundle. Bundles may come from others: what they hold runs in a
// sandbox without this server's origin, so a page in one cannot read the rest.
struct FileKind {
  std::string_view extension;
  const char *type, *policy;
};
constexpr const char* kInert = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
constexpr const char* kReportPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "sandbox allow-scripts";
constexpr std::array kFileKinds{
    FileKind{".html", "text/html; charset=utf-8", kReportPolicy},
    FileKind{".json", "application/json", kInert},
    FileKind{".csv", "text/csv; charset=utf-8", kInert},
    FileKind{".svg", "image/svg+xml", kInert},
    FileKind{".png", "image/png", kInert},
    FileKind{".md", "text/plain; charset=utf-8", kInert},
    FileKind{".yaml", "text/plain; charset=utf-8", kInert},
    FileKind{".log", "text/plain; charset=utf-8", kInert},
    FileKind{"", "application/octet-stream", kInert},
};

const FileKind& kind_of(std::string_view path) {
  return *std::find_if(kFileKinds.begin(), kFileKinds.end(),
                       [&](const FileKind& kind) { return path.ends_with(kind.extension); });
}

void refuse(Response& out, int status, const std::string& why) {
  out.status = status;
  out.set_content(why + "\n", "text/plain; charset=utf-8");
}

// "/live/NAME" split at the prefix: the rest, when the path begins with it.
std::optional<std::string> after(const std::string& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  return path.substr(prefix.size());
}

}  // namespace

bool is_local_host_header(const std::string& host) {
  std::string name = host;
  if (name.starts_with('[')) {
    const std::size_t close = name.find(']');
    if (close == std::string::npos) return false;
    in6_addr address;
    return ::inet_pton(AF_INET6, name.substr(1, close - 1).c_str(), &address) == 1;
  }
  name = name.substr(0, name.find(':'));
  in_addr address;
  return name == "localhost" || ::inet_pton(AF_INET, name.c_str(), &address) == 1;
}

class ResultServer::Impl {
 public:
  explicit Impl(const ResultServerOptions& options) : folder_{options.results}, index_{folder_} {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_read_timeout(kReadLimit);
    server_.set_payload_max_length(0);  // nothing is ever sent to us
    server_.set_tcp_nodelay(true);      // or a body waits 40 ms for the head's acknowledgment
    // Every request is routed here, without the library's regular expressions.
    server_.set_pre_routing_handler([this](const Request& in, Response& out) {
      out.set_header("X-Content-Type-Options", "nosniff");
      out.set_header("Referrer-Policy", "no-referrer");
      out.set_header("Cache-Control", "no-store");
      route(in, out);
      return httplib::Server::HandlerResponse::Handled;
    });
    bind(options);
    thread_ = std::thread{[this] { server_.listen_after_bind(); }};
  }

  ~Impl() {
    {
      const std::lock_guard lock{mutex_};
      is_stopping_ = true;
    }
    stopped_.notify_all();
    while (!server_.is_running()) std::this_thread::yield();  // stop() before the start is lost
    server_.stop();
    thread_.join();
  }

  std::uint16_t port() const { return port_; }

 private:
  void bind(const ResultServerOptions& options) {
    if (options.port == 0) {
      const int chosen = server_.bind_to_any_port(options.address.c_str());
      port_ = static_cast<std::uint16_t>(std::max(chosen, 0));
    } else if (server_.bind_to_port(options.address.c_str(), options.port)) {
      port_ = options.port;
    }
    if (port_ == 0)
      throw MachineError{fmt::format("listen on {} port {}: {}", options.address, options.port,
                                     errno_text(errno))};
  }

  void route(const Request& in, Response& out) {
    if (in.method != "GET" && in.method != "HEAD") {
      out.set_header("Allow", "GET, HEAD");
      return refuse(out, 405, "only GET and HEAD");
    }
    if (!is_local_host_header(in.get_header_value("Host")))
      return refuse(out, 421, "open this server as localhost or by its address");
    if (in.path.size() > kMostPath) return refuse(out, 414, "this path is too long");
    if (in.path == "/") return show(out, index_page());
    if (in.path == "/api/bundles") return list(out);
    if (in.path == "/compare") return show(out, compare_page());
    if (in.path == "/api/compare") return send_comparison(in, out);
    if (const auto name = after(in.path, "/live/")) return show_live(out, *name);
    if (const auto name = after(in.path, "/api/live/")) return watch(out, *name);
    if (const auto path = after(in.path, "/bundle/")) return send_file(out, *path);
    refuse(out, 404, "no such page");
  }

  static void show(Response& out, const std::string& page) {
    out.set_header("Content-Security-Policy", kPagePolicy);
    out.set_content(page, "text/html; charset=utf-8");
  }

  void list(Response& out) { out.set_content(index_.list().dump(), "application/json"); }

  // Throws UsageError unless the run at `path`, below the results, can be compared. It is looked up
  // by the kernel, so that no link leads the comparison out of the results, and parsed with a limit
  // of depth: a comparison goes through the manifest by recursion.
  void require_run(const std::string& path) const {
    for (const char* file : {"/manifest.json", "/metrics.json"}) {
      const auto text = folder_.read(path + file, kMostComparedBytes);
      if (!text || json_members(*text, {}).is_null())
        throw UsageError{fmt::format("compare: '{}' is no bundle with metrics here", path)};
    }
  }

  // The runs of one side; throws UsageError for what is no bundle here.
  RunSet runs_of(const Request& in, const char* side) const {
    std::vector<std::filesystem::path> paths;
    for (std::size_t i = 0; i < in.get_param_value_count(side); ++i) {
      const std::string name = in.get_param_value(side, i);
      if (!ResultFolder::is_name(name))
        throw UsageError{fmt::format("compare: '{}' is no bundle with metrics here", name)};
      require_run(name);
      const nlohmann::json manifest = read_manifest(folder_.path() / name);
      if (manifest.contains("runs"))
        for (const nlohmann::json& run : manifest.at("runs")) require_run(run_of_series(name, run));
      paths.push_back(folder_.path() / name);
    }
    if (paths.empty()) throw UsageError{fmt::format("compare: no run as {}=NAME", side)};
    return read_runs(paths);
  }

  void send_comparison(const Request& in, Response& out) const {
    try {
      out.set_content(
          comparison_json(compare(runs_of(in, "base"), runs_of(in, "fresh"), {})).dump(),
          "application/json");
    } catch (const Error& e) {
      refuse(out, 400, e.what());
    }
  }

  void show_live(Response& out, const std::string& name) {
    if (!ResultFolder::is_name(name)) return refuse(out, 404, "no such run");
    show(out, live_page(name));
  }

  void send_file(Response& out, const std::string& path) {
    const std::string name = path.substr(0, path.find('/'));
    auto file = ResultFolder::is_name(name) ? folder_.open(path) : std::nullopt;
    if (!file) return refuse(out, 404, "no such file in the results");
    const FileKind& kind = kind_of(path);
    out.set_header("Content-Security-Policy", kind.policy);
    const auto shared = std::make_shared<ResultFile>(std::move(*file));
    out.set_content_provider(
        shared->bytes, kind.type, [shared](std::size_t offset, std::size_t length, auto& to) {
          std::array<char, 65536> buffer;
          const ssize_t n = ::pread(shared->fd.get(), buffer.data(),
                                    std::min(length, buffer.size()), static_cast<off_t>(offset));
          return n > 0 && to.write(buffer.data(), static_cast<std::size_t>(n));
        });
  }

  void watch(Response& out, const std::string& name) {
    if (!ResultFolder::is_name(name) || !name.ends_with(".partial"))
      return refuse(out, 404, "no such run");
    if (++watchers_ > kMostWatchers) {
      --watchers_;
      return refuse(out, 503, "too many watchers");
    }
    const auto live = std::make_shared<LiveWatch>(folder_, name);
    out.set_chunked_content_provider(
        "text/event-stream",
        [this, live](std::size_t, httplib::DataSink& to) { return send_events(*live, to); },
        [this](bool) { --watchers_; });
  }

  // What is new; nullopt for a message that cannot be read. The library catches nothing that a
  // content provider throws.
  static std::optional<std::string> next_events(LiveWatch& live) {
    try {
      return live.next();
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }

  // Waits for something new and sends it. False ends the connection.
  bool send_events(LiveWatch& live, httplib::DataSink& to) {
    const std::optional<std::string> events = next_events(live);
    if (events && !events->empty() && !to.write(events->data(), events->size())) return false;
    if (!events || live.has_ended()) {
      to.done();
      return true;
    }
    std::unique_lock lock{mutex_};
    stopped_.wait_for(lock, kLookAgain, [this] { return is_stopping_; });
    return !is_stopping_ && to.is_writable();
  }

  ResultFolder folder_;
  BundleIndex index_;
  httplib::Server server_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool is_stopping_ = false;
  std::atomic<int> watchers_ = 0;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

ResultServer::ResultServer(const ResultServerOptions& options)
    : impl_{std::make_unique<Impl>(options)} {}
ResultServer::~ResultServer() = default;
std::uint16_t ResultServer::port() const { return impl_->port(); }

}  // namespace tl
