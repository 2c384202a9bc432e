// Client of a Prometheus Pushgateway. push() is PUT and replaces the group; push_add() is POST and
// replaces only families of the same name; remove() is DELETE of exactly this group.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "live/exposition.hh"
#include "live/grouping_key.hh"
#include "live/secret.hh"

namespace tl::live {

struct PushOptions {
  std::string url;  // "http://127.0.0.1:9091", without credentials
  GroupingKey group;
  bool instance_by_address = false;  // adds instance = the address that reaches the gateway
  Format format = Format::protobuf;  // the only one in which the gateway keeps exemplars
  std::string user;                  // basic authentication, with password
  Secret password;
  std::string ca_file;  // PEM; empty: the system's
  std::string certificate_file, key_file;
  std::chrono::milliseconds timeout{10'000};  // of one attempt
  int attempts = 3;  // on connection errors and 5xx; all three verbs are idempotent
};

class Pushgateway {
 public:
  // Throws UsageError for a URL that is not http(s)://HOST[:PORT][/PREFIX] or holds credentials,
  // and for OpenMetrics, which no gateway accepts.
  explicit Pushgateway(PushOptions options);

  // Each throws MachineError "push to URL: reason", with the gateway's own words.
  void push(const std::vector<Family>& families) { send("PUT", families); }
  void push_add(const std::vector<Family>& families) { send("POST", families); }
  // The gateway only queues it (202): readers may see the group for a moment longer.
  void remove();

  // Where it pushes: URL with the grouping path.
  [[nodiscard]] const std::string& target() const { return target_; }
  // Exemplars that the text format could not carry.
  [[nodiscard]] std::uint64_t exemplars_dropped() const { return exemplars_dropped_; }

 private:
  void send(const char* method, const std::vector<Family>& families);
  void request(const char* method, const std::string& body);
  PushOptions options_;
  std::string target_;
  std::uint64_t exemplars_dropped_ = 0;
};

}  // namespace tl::live
