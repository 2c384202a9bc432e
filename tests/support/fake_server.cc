#include "support/fake_server.hh"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <zlib.h>

#include <algorithm>
#include <array>

#include "base/errors.hh"

namespace tl::test {
namespace {

using namespace std::chrono_literals;

std::string uncompressed(const std::string& bytes) {
  z_stream stream{};
  if (::inflateInit2(&stream, 15 + 16) != Z_OK) return "";
  std::string text;
  std::array<char, 65536> chunk{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = chunk.size();
    status = ::inflate(&stream, Z_NO_FLUSH);
    text.append(chunk.data(), chunk.size() - stream.avail_out);
  }
  ::inflateEnd(&stream);
  return text;
}

void send_all(int fd, const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

FakeRequest parse_head(const std::string& head) {
  FakeRequest request;
  const std::size_t space = head.find(' ');
  request.method = head.substr(0, space);
  request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::size_t colon = head.find(':', at);
    if (colon < end) {
      std::string name = head.substr(at, colon - at);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const std::size_t begin = head.find_first_not_of(' ', colon + 1);
      request.headers.emplace_back(name, begin < end ? head.substr(begin, end - begin) : "");
    }
    at = end + 2;
  }
  return request;
}

bool is_early_path(const FakeRequest& request) { return request.target.starts_with("/early"); }

std::string head_of(const FakeAnswer& answer) {
  std::string head = fmt::format("HTTP/1.1 {} Scripted\r\n", answer.status);
  for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
  if (answer.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (answer.without_length) {
    head += "Connection: close\r\n";
  }
  if (!answer.chunked && !answer.without_length && answer.status != 204)
    head += fmt::format("Content-Length: {}\r\n", answer.body.size());
  return head + "\r\n";
}

}  // namespace

std::string FakeRequest::header(const std::string& name) const {
  for (const auto& [known, value] : headers)
    if (known == name) return value;
  return "";
}

FakeServer::FakeServer(Script script)
    : script_{std::move(script)},
      listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::listen(listener_.get(), 16) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    throw_errno("start", "fake server");
  port_ = ntohs(address.sin_port);
  std::tie(stop_read_, stop_write_) = make_pipe();
  thread_ = std::thread{[this] { serve(); }};
}

FakeServer::~FakeServer() {
  stop_write_ = UniqueFd{};
  thread_.join();
}

std::vector<FakeRequest> FakeServer::requests() const {
  const std::lock_guard lock{mutex_};
  return requests_;
}

bool FakeServer::wait_readable(int fd, std::chrono::milliseconds limit) const {
  std::array<pollfd, 2> wanted{pollfd{fd, POLLIN, 0}, pollfd{stop_read_.get(), POLLIN, 0}};
  const int n = ::poll(wanted.data(), wanted.size(), static_cast<int>(limit.count()));
  return n > 0 && wanted[1].revents == 0;
}

void FakeServer::serve() {
  while (wait_readable(listener_.get(), 1h)) {
    const UniqueFd connection{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (connection.valid()) converse(connection);
  }
}

void FakeServer::converse(const UniqueFd& connection) {
  std::string bytes;
  std::array<char, 65536> chunk{};
  const auto more = [&] {
    // A client that keeps an idle connection must not keep others out.
    if (!wait_readable(connection.get(), 100ms)) return false;
    const ssize_t n = ::recv(connection.get(), chunk.data(), chunk.size(), 0);
    if (n > 0) bytes.append(chunk.data(), static_cast<std::size_t>(n));
    return n > 0;
  };
  while (true) {
    std::size_t end = bytes.find("\r\n\r\n");
    for (; end == std::string::npos; end = bytes.find("\r\n\r\n"))
      if (!more()) return;
    FakeRequest request = parse_head(bytes.substr(0, end));
    bytes.erase(0, end + 4);
    const std::string length = request.header("content-length");
    const std::size_t wanted = length.empty() ? 0 : std::stoul(length);
    const bool is_early = is_early_path(request);
    while (!is_early && bytes.size() < wanted)
      if (!more()) return;
    request.raw_body = bytes.substr(0, std::min(wanted, bytes.size()));
    bytes.erase(0, request.raw_body.size());
    request.body = request.header("content-encoding") == "gzip" ? uncompressed(request.raw_body)
                                                                : request.raw_body;
    if (!answer(connection, request)) return;
  }
}

// Whether the connection goes on.
bool FakeServer::answer(const UniqueFd& connection, const FakeRequest& request) {
  std::size_t index = 0;
  {
    const std::lock_guard lock{mutex_};
    index = requests_.size();
    requests_.push_back(request);
  }
  const FakeAnswer a = script_ ? script_(request, index) : FakeAnswer{};
  if (a.hang) return wait_readable(stop_read_.get(), 1h), false;
  if (a.after > 0ms) (void)wait_readable(stop_read_.get(), a.after);
  if (a.reset) {
    const linger at_once{1, 0};
    (void)::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return false;
  }
  std::string text = head_of(a);
  if (a.between_bytes > 0ms) {
    send_all(connection.get(), text);
    for (const char c : a.body) {
      (void)wait_readable(stop_read_.get(), a.between_bytes);
      send_all(connection.get(), {c});
    }
    return true;
  }
  if (a.chunked && !a.body.empty()) text += fmt::format("{:x}\r\n{}\r\n", a.body.size(), a.body);
  text += a.chunked ? "0\r\n\r\n" : a.body;
  send_all(connection.get(), text);
  return !is_early_path(request) && !a.without_length;
}

}  // namespace tl::test
