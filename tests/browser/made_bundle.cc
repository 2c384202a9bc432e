// made_bundle FOLDER SERVICES BUCKETS [doubtful]: a bundle made by hand, for the browser tests and
// the page's benchmark, which need one of a given size. A doubtful one has an unexplained
// difference.
#include "support/made_bundle.hh"

#include <cstdio>
#include <exception>
#include <string>

int main(int argc, char** argv) try {
  if (argc != 4 && argc != 5)
    return std::fputs("usage: made_bundle FOLDER SERVICES BUCKETS [doubtful]\n", stderr), 2;
  tl::test::MadeBundle wanted;
  wanted.services = {"iperf-server"};
  for (int i = 1; i < std::stoi(argv[2]); ++i)
    wanted.services.push_back(i == 1 ? "iperf-client" : "client-" + std::to_string(i));
  wanted.buckets = std::stoul(argv[3]);
  if (argc == 5) {
    wanted.identity_verdict = "unexplained";
    wanted.verdict = "inconclusive";
    wanted.reason = "counters = device statistics: 1448 bytes are unexplained";
  }
  tl::test::make_bundle(argv[1], wanted);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "made_bundle: %s\n", e.what());
  return 1;
}
