#include "probe/iperf.hh"

#include <iperf_api.h>

#include <array>
#include <csetjmp>
#include <csignal>
#include <cstdint>  // iperf_api.h 3.12 uses its types without including it
#include <cstdio>
#include <memory>

#include "base/errors.hh"

namespace tl {
namespace {

using IperfTest = std::unique_ptr<iperf_test, void (*)(iperf_test*)>;

// iperf3 itself leaves its loops with longjmp on SIGTERM, SIGINT and SIGHUP, then reports what it
// has so far.
std::jmp_buf interrupted;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): a handler
                           // has no arguments

// Serves one test after the other, as iperf3 does; with --one-off only the first.
int serve_tests(iperf_test* test) {
  while (true) {
    constexpr int kNobodyCame = 2;  // in time, with --idle-timeout
    const int status = ::iperf_run_server(test);
    const bool is_over = ::iperf_get_test_one_off(test) != 0 && status != kNobodyCame;
    if (status < -1 || is_over) return status;  // below -1: no later test can go better
    if (status < 0) std::fprintf(stderr, "iperf3: error - %s\n", ::iperf_strerror(i_errno));
    ::iperf_reset_test(test);
  }
}

void on_signal(int) { std::longjmp(interrupted, 1); }

IperfTest parsed_test(const std::vector<std::string>& options) {
  IperfTest test{::iperf_new_test(), &::iperf_free_test};
  if (!test) throw MachineError{std::string{"make iperf test: "} + ::iperf_strerror(i_errno)};
  ::iperf_defaults(test.get());
  std::vector<std::string> words{"iperf3"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (::iperf_parse_arguments(test.get(), static_cast<int>(words.size()), argv.data()) < 0)
    throw UsageError{std::string{"iperf options: "} + ::iperf_strerror(i_errno)};
  return test;
}

}  // namespace

void check_iperf_options(const std::vector<std::string>& options) { (void)parsed_test(options); }

int run_iperf(const std::vector<std::string>& options) {
  const IperfTest test = parsed_test(options);
  ::iperf_catch_sigend(on_signal);
  if (setjmp(interrupted) != 0)
    ::iperf_got_sigend(test.get());  // writes the partial result and exits
  std::signal(SIGPIPE, SIG_IGN);
  const bool is_server = ::iperf_get_test_role(test.get()) == 's';
  const int status = is_server ? serve_tests(test.get()) : ::iperf_run_client(test.get());
  ::iperf_catch_sigend(SIG_DFL);
  if (status >= 0) return 0;
  std::fprintf(stderr, "iperf3: error - %s\n", ::iperf_strerror(i_errno));
  return static_cast<int>(ExitCode::traffic);
}

}  // namespace tl
