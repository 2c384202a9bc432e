// Two namespaces joined by a veth pair. In the far one a scripted responder answers echo requests
// instead of the kernel, so that a test knows exactly what came back and what did not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hh"
#include "base/netns.hh"

namespace tl::test {

class PingLab {
 public:
  static constexpr const char* kNear = "198.18.40.1";
  static constexpr const char* kFar = "198.18.40.2";
  static constexpr const char* kFarToo = "198.18.40.3";  // a second address of the far side
  static constexpr const char* kFar6 = "fd00:198:18::2";

  // One ICMP message that the responder sends.
  struct Answer {
    std::vector<std::uint8_t> message;
    std::chrono::milliseconds after{0};  // the request's arrival
    bool from_second_address = false;
  };
  // What to answer to the request `message` with this sequence number. Runs in the responder.
  using Script =
      std::function<std::vector<Answer>(std::uint16_t sequence, std::vector<std::uint8_t> message)>;

  // Without a script the far kernel answers by itself.
  explicit PingLab(Script script = {});
  ~PingLab();
  PingLab(const PingLab&) = delete;
  PingLab& operator=(const PingLab&) = delete;

  [[nodiscard]] const NetNs& near() const { return near_; }
  [[nodiscard]] const NetNs& far() const { return far_; }

  // The regular reply to a request; `change` is applied before the checksum is made.
  static std::vector<std::uint8_t> reply(
      std::vector<std::uint8_t> request,
      const std::function<void(std::vector<std::uint8_t>&)>& change = {});

 private:
  void respond();
  NetNs near_ = NetNs::create();
  NetNs far_ = NetNs::create();
  Script script_;
  UniqueFd socket_, second_socket_;
  UniqueFd stop_read_, stop_write_;
  std::thread responder_;
};

}  // namespace tl::test
