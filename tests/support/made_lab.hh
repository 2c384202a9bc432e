// A lab for tests of the engines: a Compose file made from text, with a journal as a run has one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/signals.hh"
#include "lab/engine.hh"
#include "lab/journal.hh"
#include "support/temporary.hh"

namespace tl::test {

class MadeLab {
 public:
  // `compose` may use the variables of docs/compose.md and ${FOLDER}, this lab's own folder.
  MadeLab(std::unique_ptr<Engine> engine, const std::string& compose,
          std::map<std::string, std::string> variables = {});

  std::vector<Service> up() { return engine_->up(request, stop_); }
  // How a service ended; fails the test when it does not end within 20 s.
  ServiceEnd wait(const std::string& service);
  [[nodiscard]] std::string log(const std::string& service) const;
  [[nodiscard]] Engine& engine() { return *engine_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  [[nodiscard]] Journal& journal() { return *journal_; }

  LabRequest request;  // may be changed before up()

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Journal> journal_;
  StopSignals stop_;
  std::unique_ptr<Engine> engine_;  // last: comes down first
};

// The service of that name; throws when it is not there.
const Service& find(const std::vector<Service>& services, const std::string& name);

}  // namespace tl::test
