// The group of series that a push replaces or deletes: a job and further labels, as the path of a
// Pushgateway request.
#pragma once

#include <string>

#include "live/metric.hh"

namespace tl::live {

struct GroupingKey {
  std::string job;  // not empty
  Labels labels;
};

// "NAME=VALUE", as the command lines take a label. Throws UsageError.
std::pair<std::string, std::string> parse_label(const std::string& text);

// "/metrics/job/J/label/value…", labels sorted. A value that a path segment cannot carry ('/',
// empty, or anything but plain characters) travels as "label@base64/…" in the URL-safe alphabet.
// Throws UsageError for an empty job or a bad label name.
std::string grouping_path(const GroupingKey& key);

// The numeric local address from which packets to host:port leave: what tells two pushing hosts
// apart. Loopback only when the gateway itself is local. Sends nothing. Throws MachineError when
// the name does not resolve or no route exists. An IPv6 address has no brackets.
std::string address_towards(const std::string& host, std::uint16_t port);

}  // namespace tl::live
