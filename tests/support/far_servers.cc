#include "support/far_servers.hh"

#include <fcntl.h>
#include <sched.h>

#include <fstream>

#include "base/errors.hh"
#include "probe/http_probe.hh"
#include "support/processes.hh"

namespace tl::test {
using namespace std::chrono_literals;
namespace {

constexpr const char* kNginxConfig = R"(daemon off; master_process off; pid FOLDER/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fcgi;
  uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  server {
    listen 198.18.0.2:80;
    root FOLDER;
    location /missing { return 404; }
    location /moved { return 302 /page; }
    location /upload { proxy_pass http://198.18.0.2:81/; }  # reads the whole body first
  }
  server {
    listen 198.18.0.2:443 ssl;
    ssl_certificate CERTIFICATE; ssl_certificate_key KEY;
    location / { return 200 "taken"; }
  }
  server { listen 198.18.0.2:81; location / { return 200 "taken"; } }
}
)";

// A process in another network namespace.
Child in_namespace(const NetNs& netns, const Argv& argv, int log_fd) {
  ChildOptions options;
  options.stdout_fd = options.stderr_fd = log_fd;
  options.prepare = [fd = netns.fd()] { return ::setns(fd, CLONE_NEWNET) == 0 ? 0 : errno; };
  return Child{argv, options};
}

}  // namespace

FarServers::FarServers(const NetNs& netns) {
  const std::string folder = folder_.path().native();
  std::ofstream{folder_.path() / "page"} << std::string(100'000, 'p');
  std::string config = kNginxConfig;
  const auto replace = [&](const std::string& word, const std::string& by) {
    for (std::size_t at = config.find(word); at != std::string::npos; at = config.find(word, at))
      config.replace(at, word.size(), by);
  };
  replace("FOLDER", folder);
  replace("CERTIFICATE", certificates_.path("leaf.pem"));
  replace("KEY", certificates_.path("leaf.key"));
  std::ofstream{folder_.path() / "nginx.conf"} << config;
  log_ = open_fd(folder_.path() / "log", O_WRONLY | O_CREAT | O_TRUNC);
  nginx_.emplace(in_namespace(
      netns, {"nginx", "-p", folder, "-e", "stderr", "-c", folder + "/nginx.conf"}, log_.get()));
  iperf_.emplace(in_namespace(netns, {TL_PROGRAM, "traffic", "iperf", "--server", "--forceflush"},
                              log_.get()));
  const bool is_ready = eventually(
      [&] {
        const auto log = read_file(folder_.path() / "log");
        return tl::http_get("http://198.18.0.2/page").ok() &&
               log.find("Server listening") != std::string::npos;
      },
      20s);
  if (!is_ready) throw std::runtime_error{"far servers: " + read_file(folder_.path() / "log")};
}

}  // namespace tl::test
