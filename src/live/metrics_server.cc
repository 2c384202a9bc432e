#include "live/metrics_server.hh"

#include <fmt/format.h>
#include <httplib.h>
#include <openssl/crypto.h>

#include <filesystem>
#include <thread>

#include "base/errors.hh"
#include "base/units.hh"
#include "live/exposition.hh"

namespace tl::live {
namespace {

// No early way out: the time taken must not tell how much of a guess was right.
bool same_secret(const std::string& a, const std::string& b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::unique_ptr<httplib::Server> make_server(const ServerOptions& options) {
  if (options.certificate_file.empty()) return std::make_unique<httplib::Server>();
  const char* ca = options.client_ca_file.empty() ? nullptr : options.client_ca_file.c_str();
  auto server = std::make_unique<httplib::SSLServer>(options.certificate_file.c_str(),
                                                     options.key_file.c_str(), ca);
  if (!server->is_valid())
    throw MachineError{fmt::format("read {} and {}: not a certificate and its key",
                                   options.certificate_file, options.key_file)};
  return server;
}

}  // namespace

class MetricsServer::Impl {
 public:
  Impl(Registry& registry, const ServerOptions& options)
      : registry_{registry},
        requests_{registry.counter({"number_of_requests", "Requests for /metrics.", ""}).with({})},
        page_bytes_{registry
                        .histogram({"trafficlab_scrape_page_bytes",
                                    "Size of the pages before compression.", "bytes"},
                                   {1e3, 1e4, 1e5, 1e6, 1e7})
                        .with({})},
        server_{make_server(options)} {
    constexpr std::size_t kThreads = 4;  // each holds one connection open
    // Head and body are two writes: on a kept connection the second would wait for the delayed
    // acknowledgment of the first, 40 ms.
    server_->set_tcp_nodelay(true);
    server_->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    if (!options.user.empty())
      expected_ = httplib::make_basic_authentication_header(options.user, options.password).second;
    server_->Get("/metrics", [this](const auto& in, auto& out) { answer(in, out); });
    server_->Get("/", [](const auto&, auto& out) {
      out.set_content("trafficlab exporter: see /metrics\n", "text/plain");
    });
    bind(options);
    thread_ = std::thread{[this] { server_->listen_after_bind(); }};
  }

  ~Impl() {
    while (!server_->is_running()) std::this_thread::yield();  // stop() before the start is lost
    server_->stop();
    thread_.join();
  }

  std::uint16_t port() const { return port_; }

 private:
  void bind(const ServerOptions& options) {
    if (options.port == 0) {
      const int chosen = server_->bind_to_any_port(options.address.c_str());
      port_ = static_cast<std::uint16_t>(std::max(chosen, 0));
    } else if (server_->bind_to_port(options.address.c_str(), options.port)) {
      port_ = options.port;
    }
    if (port_ == 0)
      throw MachineError{fmt::format("listen on {} port {}: {}", options.address, options.port,
                                     errno_text(errno))};
  }

  void answer(const httplib::Request& in, httplib::Response& out) {
    if (!expected_.empty() && !same_secret(in.get_header_value("Authorization"), expected_)) {
      out.status = 401;
      out.set_header("WWW-Authenticate", "Basic realm=\"trafficlab\"");
      return;
    }
    requests_.inc();
    const Format format = negotiate(in.get_header_value("Accept"));
    std::string page = encode(registry_.collect(), format);
    page_bytes_.observe(static_cast<double>(page.size()));
    if (accepts_gzip(in.get_header_value("Accept-Encoding"))) {
      page = gzip(page);
      out.set_header("Content-Encoding", "gzip");
    }
    out.set_header("Vary", "Accept, Accept-Encoding");
    // As a provider of known length, because the library would compress a plain body once more.
    const auto body = std::make_shared<const std::string>(std::move(page));
    out.set_content_provider(body->size(), std::string{content_type(format)}.c_str(),
                             [body](std::size_t offset, std::size_t length, httplib::DataSink& to) {
                               return to.write(body->data() + offset, length);
                             });
  }

  Registry& registry_;
  Counter& requests_;
  Histogram& page_bytes_;
  std::unique_ptr<httplib::Server> server_;
  std::string expected_;  // the whole Authorization header
  std::uint16_t port_ = 0;
  std::thread thread_;
};

void parse_listen(const std::string& text, ServerOptions& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0)
    throw UsageError{fmt::format("listen on '{}': not ADDRESS:PORT", text)};
  options.address = text.substr(0, colon);
  if (options.address.starts_with('[') && options.address.ends_with(']'))
    options.address = options.address.substr(1, options.address.size() - 2);
  options.port =
      static_cast<std::uint16_t>(parse_integer(text.substr(colon + 1), 0, 65535, "listen port"));
}

MetricsServer::MetricsServer(Registry& registry, const ServerOptions& options)
    : impl_{std::make_unique<Impl>(registry, options)} {}
MetricsServer::~MetricsServer() = default;
std::uint16_t MetricsServer::port() const { return impl_->port(); }

}  // namespace tl::live
