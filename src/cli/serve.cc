#include <fmt/format.h>

#include <cstdio>

#include "base/messages.hh"
#include "base/signals.hh"
#include "cli/command.hh"
#include "live/metrics_server.hh"
#include "serve/result_server.hh"

namespace tl {

ExitCode command_serve(const Args& args) {
  CLI::App app{"A web page over a folder of results: list, reports, rates of a run in progress",
               "trafficlab serve"};
  app.footer("It only reads. Example: trafficlab serve results --listen 127.0.0.1:8080");
  ResultServerOptions options;
  std::string listen = "127.0.0.1:8080";
  app.add_option("RESULTS", options.results, "folder of bundles")->capture_default_str();
  app.add_option("--listen", listen, "ADDRESS:PORT; port 0: any")->capture_default_str();
  if (const auto done = parse(app, args)) return *done;

  live::ServerOptions at;
  live::parse_listen(listen, at);
  options.address = at.address;
  options.port = at.port;
  StopSignals stop;
  const ResultServer server{options};
  const bool is_ipv6 = options.address.find(':') != std::string::npos;
  print_message("trafficlab serve: http://{}{}{}:{}/\n", is_ipv6 ? "[" : "", options.address,
                is_ipv6 ? "]" : "", server.port());
  while (!stop.wait(Deadline{std::chrono::hours{1}})) {
  }
  return ExitCode::pass;
}

}  // namespace tl
