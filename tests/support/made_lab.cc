#include "support/made_lab.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>

#include "base/fd.hh"
#include "support/processes.hh"

namespace tl::test {

MadeLab::MadeLab(std::unique_ptr<Engine> engine, const std::string& compose,
                 std::map<std::string, std::string> variables)
    : engine_{std::move(engine)} {
  std::random_device random;
  journal_ = std::make_unique<Journal>(fmt::format("{:06x}", random() & 0xffffffU));
  // Services without privileges write here.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  std::filesystem::create_directory(folder_.path() / "logs");
  write_file_atomic(folder_.path() / "compose.yaml", compose);
  request.compose_file = folder_.path() / "compose.yaml";
  request.run_id = journal_->run_id();
  request.variables = std::move(variables);
  request.variables["FOLDER"] = folder_.path();
  request.variables["TRAFFICLAB_RUN_ID"] = journal_->run_id();
  request.variables["TRAFFICLAB_JOURNAL"] = journal_->path();
  request.log_folder = folder_.path() / "logs";
  request.choose_subnet = [this](const std::vector<Subnet>& taken) {
    return allocate_subnet(*journal_, taken);
  };
  request.record = [this](const std::string& key, const std::string& value) {
    journal_->record(key, value);
  };
  request.note = [](const std::string&) {};
}

ServiceEnd MadeLab::wait(const std::string& service) {
  std::optional<ServiceEnd> end;
  REQUIRE(eventually([&] { return (end = engine_->ended(service)).has_value(); },
                     std::chrono::seconds{20}));
  return *end;
}

std::string MadeLab::log(const std::string& service) const {
  return read_value(folder_.path() / "logs" / (service + ".log"));
}

const Service& find(const std::vector<Service>& services, const std::string& name) {
  for (const Service& s : services)
    if (s.name == name) return s;
  throw std::out_of_range{"no service " + name};
}

}  // namespace tl::test
