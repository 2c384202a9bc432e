#include "support/capture_process.hh"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <stdexcept>

#include "analysis/capture_reader.hh"
#include "base/fd.hh"
#include "support/processes.hh"

namespace tl::test {
namespace {
using namespace std::chrono_literals;

std::filesystem::path log_of(const std::filesystem::path& file) { return file.native() + ".log"; }
}  // namespace

CaptureProcess::CaptureProcess(std::filesystem::path file, const Argv& args)
    : file_{std::move(file)}, child_{start(args)} {
  std::optional<ExitStatus> ended;
  (void)eventually(
      [&] {
        ended = child_.poll_status();
        return ended || errors().find("armed:") != std::string::npos;
      },
      60s);
  if (errors().find("armed:") == std::string::npos) throw std::runtime_error{errors()};
}

Child CaptureProcess::start(const Argv& args) {
  const UniqueFd log = open_fd(log_of(file_), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  Argv argv{TL_PROGRAM, "capture", "-w", file_.native()};
  argv.insert(argv.end(), args.begin(), args.end());
  ChildOptions options;
  options.stderr_fd = log.get();
  return Child{argv, options};
}

ExitStatus CaptureProcess::end(int signal) {
  child_.signal(signal);
  return wait();
}

ExitStatus CaptureProcess::wait() {
  const auto status = child_.wait(10s);
  REQUIRE_MESSAGE(status.has_value(), "the capture did not end");
  return *status;
}

nlohmann::json CaptureProcess::account() const {
  std::filesystem::path sidecar = file_;
  return nlohmann::json::parse(read_file(sidecar.replace_extension(".capture.json")));
}

std::string CaptureProcess::errors() const { return read_value(log_of(file_)); }

void check_account(const nlohmann::json& account, const std::filesystem::path& capture_file) {
  const auto number = [&](const char* key) { return account.at(key).get<std::uint64_t>(); };
  INFO(account.dump(1));
  CHECK(account.at("unexplained") == 0);
  CHECK(number("received") == number("written") + number("kernel_dropped") + number("discarded"));
  CHECK(account.at("tx").at("packets").get<std::uint64_t>() +
            account.at("rx").at("packets").get<std::uint64_t>() ==
        number("written") + number("discarded"));
  CaptureReader reader = CaptureReader::open(capture_file);
  std::uint64_t packets = 0, bytes = 0;
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch) {
      ++packets;
      bytes += packet.length_bytes;
    }
  CHECK_MESSAGE(reader.stop().clean(), stop_text(reader.stop()));
  CHECK(packets == number("written"));
  if (number("discarded") == 0) CHECK(bytes == number("bytes"));
}

std::uint64_t tcpdump_count(const std::filesystem::path& file, const std::string& filter) {
  Argv argv{"tcpdump", "-n", "-q", "-r", file.native(), "--count"};
  if (!filter.empty()) argv.push_back(filter);
  const CommandResult result = run_command(argv, 60s);
  CHECK_MESSAGE(result.status.ok(), result.err);
  return std::stoull("0" + result.out);
}

}  // namespace tl::test
