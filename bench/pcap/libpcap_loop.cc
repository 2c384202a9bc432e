// The least a program on libpcap can do: a pcap_next_ex() loop that counts. libpcap_loop FILE
#include <pcap/pcap.h>

#include <cstdint>
#include <cstdio>

int main(int argc, char** argv) {
  char error[PCAP_ERRBUF_SIZE] = "";
  pcap_t* pcap = argc == 2 ? pcap_open_offline_with_tstamp_precision(
                                 argv[1], PCAP_TSTAMP_PRECISION_NANO, error)
                           : nullptr;
  if (pcap == nullptr) {
    std::fprintf(stderr, "libpcap_loop: %s\n", error);
    return 2;
  }
  std::uint64_t packets = 0, bytes = 0;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  while (pcap_next_ex(pcap, &header, &data) == 1) {
    packets += 1;
    bytes += header->len;
  }
  std::printf("%llu packets %llu bytes\n", static_cast<unsigned long long>(packets),
              static_cast<unsigned long long>(bytes));
  pcap_close(pcap);
  return 0;
}
