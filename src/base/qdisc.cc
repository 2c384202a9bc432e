#include "base/qdisc.hh"

#include <fmt/format.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/errors.hh"
#include "base/netlink.hh"

namespace tl {
namespace {

constexpr std::uint32_t kNetemHandle = 0x10000;        // 1:
constexpr std::uint32_t kNetemChild = 0x10001;         // 1:1
constexpr std::uint32_t kNetemLimitPackets = 100'000;  // netem's own 1000 is 12 ms at 1 Gbit/s

// One RTM_NEWQDISC request, attribute by attribute.
class QdiscRequest {
 public:
  QdiscRequest(int ifindex, std::uint32_t parent, std::uint32_t handle, const char* kind) {
    header().nlmsg_len = NLMSG_LENGTH(sizeof(tcmsg));
    header().nlmsg_type = RTM_NEWQDISC;
    header().nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    auto* body = static_cast<tcmsg*>(NLMSG_DATA(&header()));
    body->tcm_ifindex = ifindex;
    body->tcm_parent = parent;
    body->tcm_handle = handle;
    add(TCA_KIND, kind, std::strlen(kind) + 1);
  }

  void add(std::uint16_t type, const void* data, std::size_t size) {
    rtattr* a = next();
    a->rta_type = type;
    a->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
    grow(RTA_LENGTH(0));
    add_bare(data, size);
  }
  template <class T>
  void add(std::uint16_t type, const T& value) {
    add(type, &value, sizeof value);
  }
  // Without a header of its own, as netem wants its structure inside TCA_OPTIONS.
  void add_bare(const void* data, std::size_t size) {
    std::memcpy(next(), data, size);
    grow(size);
  }
  // TCA_OPTIONS opens; what is added until end_options() lies inside it.
  void begin_options() {
    options_ = next();
    options_->rta_type = TCA_OPTIONS;
    grow(RTA_LENGTH(0));
  }
  void end_options() {
    const char* end = bytes_.data() + header().nlmsg_len;
    options_->rta_len = static_cast<std::uint16_t>(end - reinterpret_cast<char*>(options_));
  }

  // Returns 0 or the kernel's errno.
  [[nodiscard]] int send(const UniqueFd& socket) {
    if (::send(socket.get(), bytes_.data(), header().nlmsg_len, 0) < 0) return errno;
    alignas(nlmsghdr) std::array<char, 8192> buffer;
    if (::recv(socket.get(), buffer.data(), buffer.size(), 0) < 0) return errno;
    const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer.data());
    if (answer->nlmsg_type != NLMSG_ERROR) return EPROTO;
    return -static_cast<const nlmsgerr*>(NLMSG_DATA(answer))->error;
  }

 private:
  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  rtattr* next() {
    return reinterpret_cast<rtattr*>(bytes_.data() + NLMSG_ALIGN(header().nlmsg_len));
  }
  void grow(std::size_t bytes) {
    header().nlmsg_len = static_cast<std::uint32_t>(NLMSG_ALIGN(header().nlmsg_len + bytes));
  }
  alignas(nlmsghdr) std::array<char, 512> bytes_{};  // far more than any request here takes
  rtattr* options_ = nullptr;
};

void set_qdisc(QdiscRequest& request, const UniqueFd& socket, const std::string& device,
               const char* kind, const char* option) {
  const int error = request.send(socket);
  if (error == ENOENT)
    throw MachineError{fmt::format("shape {}: this kernel has no {} (needs {} or its module)",
                                   device, kind, option)};
  if (error != 0) throw_errno(error, fmt::format("shape {} by", device), kind);
}

void add_netem(int ifindex, const std::string& device, const Shaping& shaping,
               const UniqueFd& socket) {
  QdiscRequest request{ifindex, TC_H_ROOT, kNetemHandle, "netem"};
  tc_netem_qopt options{};
  options.limit = kNetemLimitPackets;
  options.loss = static_cast<std::uint32_t>(std::uint64_t{shaping.loss_ppm} *
                                            std::numeric_limits<std::uint32_t>::max() / 1'000'000);
  const std::int64_t delay_ns = shaping.delay.count();
  request.begin_options();
  request.add_bare(&options, sizeof options);
  request.add(TCA_NETEM_LATENCY64, delay_ns);
  request.end_options();
  set_qdisc(request, socket, device, "netem", "CONFIG_NET_SCH_NETEM");
}

void add_token_bucket(int ifindex, const std::string& device, const Shaping& shaping,
                      const UniqueFd& socket) {
  const TokenBucket bucket = token_bucket(shaping.rate_bps);
  QdiscRequest request{ifindex, shaping.needs_netem() ? kNetemChild : TC_H_ROOT, 0, "tbf"};
  tc_tbf_qopt options{};
  options.limit = bucket.limit_bytes;
  // The old 32-bit field stands for "more" when the 64-bit attribute says how much.
  options.rate.rate = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(bucket.rate_bytes_per_s, std::numeric_limits<std::uint32_t>::max()));
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;  // or the kernel wants a table of the rate
  request.begin_options();
  request.add(TCA_TBF_PARMS, options);
  request.add(TCA_TBF_RATE64, bucket.rate_bytes_per_s);
  request.add(TCA_TBF_BURST, bucket.burst_bytes);
  request.end_options();
  set_qdisc(request, socket, device, "tbf", "CONFIG_NET_SCH_TBF");
}

}  // namespace

TokenBucket token_bucket(std::uint64_t rate_bps) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  TokenBucket bucket;
  bucket.rate_bytes_per_s = rate_bps / 8;
  const auto share = [&](std::uint64_t divisor, std::uint64_t least) {
    return static_cast<std::uint32_t>(std::clamp(bucket.rate_bytes_per_s / divisor, least, kMost));
  };
  bucket.burst_bytes = share(100, 16 << 10);
  bucket.limit_bytes = share(20, 256 << 10);
  return bucket;
}

void shape_device(const std::string& device, const Shaping& shaping) {
  const auto ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
  if (ifindex == 0) throw_errno("shape", device);
  const UniqueFd socket = open_rtnetlink();
  if (shaping.needs_netem()) add_netem(ifindex, device, shaping, socket);
  if (shaping.rate_bps != 0) add_token_bucket(ifindex, device, shaping, socket);
}

}  // namespace tl
