// doctest's implementation plus a reporter that appends one line a test case to the file named by
// TL_RESULTS: status (passed, failed, skipped), seconds, name, reason; tab-separated. tests/run.sh
// adds them up.
#define DOCTEST_CONFIG_IMPLEMENT
#include "support/results.hh"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

class ResultsReporter : public doctest::IReporter {
 public:
  explicit ResultsReporter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& data) override {
    name_ = data.m_name;
    tl::test::skip_reason().clear();
    std::fprintf(stderr, "[ run  ] %s\n", name_.c_str());
  }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    const bool failed = stats.failure_flags != 0;
    const std::string& reason = tl::test::skip_reason();
    // A case that checked nothing has tested nothing: that is a failure, not a pass.
    const bool empty = !failed && reason.empty() && stats.numAssertsCurrentTest == 0;
    const char* status = failed || empty ? "failed" : (reason.empty() ? "passed" : "skipped");
    std::fprintf(stderr, "[%-7s] %s (%.2f s)%s%s\n", status, name_.c_str(), stats.seconds,
                 reason.empty() ? "" : ": ", reason.c_str());
    if (empty) empty_cases_ = true;
    const char* path = std::getenv("TL_RESULTS");
    if (path == nullptr) return;
    if (std::FILE* file = std::fopen(path, "ae"); file != nullptr) {
      std::fprintf(file, "%s\t%.2f\t%s\t%s\n", status, stats.seconds, name_.c_str(),
                   empty ? "checked nothing" : reason.c_str());
      std::fclose(file);
    }
  }
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
  static bool empty_cases_;

 private:
  std::string name_;
};
bool ResultsReporter::empty_cases_ = false;

REGISTER_LISTENER("results", 1, ResultsReporter);

}  // namespace

bool tl::test::a_case_was_empty() { return ResultsReporter::empty_cases_; }
