#include "support/server.hh"

#include <arpa/inet.h>
#include <fcntl.h>
#include <httplib.h>
#include <sys/socket.h>

#include <stdexcept>

#include "base/errors.hh"
#include "support/processes.hh"

namespace tl::test {

std::uint16_t free_port() {
  const UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    throw_errno("find", "a free port");
  return ntohs(address.sin_port);
}

HttpAnswer http_get(std::uint16_t port, const std::string& path, const HttpHeaders& headers) {
  httplib::Client client{"127.0.0.1", port};
  client.set_read_timeout(20);
  const auto result = client.Get(path.c_str(), httplib::Headers{headers.begin(), headers.end()});
  if (!result) return {};
  return {result->status, result->body, result->get_header_value("Content-Type")};
}

Server::Server(const Command& command, const std::string& ready_path,
               const std::function<bool(std::uint16_t port)>& is_ready)
    : port_{free_port()} {
  const UniqueFd log_file = open_fd(folder_.path() / "log", O_WRONLY | O_CREAT | O_TRUNC);
  ChildOptions options;
  options.stdout_fd = options.stderr_fd = log_file.get();
  child_ = std::make_unique<Child>(command(port_, folder()), options);
  const auto answers = [&] {
    return is_ready ? is_ready(port_) : http_get(port_, ready_path).status == 200;
  };
  const bool settled = eventually([&] { return child_->poll_status() || answers(); },
                                  std::chrono::milliseconds{20'000});
  if (!settled || child_->poll_status()) throw std::runtime_error{"server not ready: " + log()};
}

Server::~Server() { child_->terminate(std::chrono::seconds{5}); }

std::string Server::log() const { return read_file(folder_.path() / "log"); }

}  // namespace tl::test
