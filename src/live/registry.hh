// The families of one page. Instruments are made through it and live as long as it does.
//
//   Registry registry;
//   auto& rtt = registry.histogram({"ping_rtt_seconds", "Round trip time.", "seconds"}, bounds);
//   rtt.with({{"dest", "198.18.0.2"}}).observe(0.0004);
//   encode(registry.collect(), Format::text);
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "live/instruments.hh"

namespace tl::live {

struct Description {
  std::string name;  // base name: a counter's "_total" and an info's "_info" are taken off
  std::string help;
  std::string unit;  // empty, or the last word of the name
};

// What a registry asks for a family at each collection.
class FamilySource {
 public:
  virtual ~FamilySource() = default;
  [[nodiscard]] virtual Family collect() const = 0;
};

// One instrument for each set of label values.
template <class Instrument>
class Vector final : public FamilySource {
 public:
  using Make = std::function<std::unique_ptr<Instrument>()>;
  Vector(Description description, Type type, std::string reserved_label, Make make)
      : description_{std::move(description)},
        type_{type},
        reserved_label_{std::move(reserved_label)},
        make_{std::move(make)} {}

  // The instrument of these labels, made at the first call. The reference stays valid until
  // remove(). Throws UsageError for a bad or reserved label name ("le", "quantile").
  Instrument& with(Labels labels) {
    labels = checked_labels(std::move(labels));
    check_not_reserved(labels);
    const std::lock_guard lock{mutex_};
    auto& slot = instruments_[std::move(labels)];
    if (!slot) slot = make_();
    return *slot;
  }
  // Forgets a series that will not be updated again.
  void remove(const Labels& labels) {
    const std::lock_guard lock{mutex_};
    instruments_.erase(checked_labels(labels));
  }

  [[nodiscard]] Family collect() const override {
    Family family{description_.name, description_.help, type_, description_.unit, {}};
    const std::lock_guard lock{mutex_};
    family.points.reserve(instruments_.size());
    for (const auto& [labels, instrument] : instruments_) {
      Point point = instrument->collect();
      point.labels.insert(point.labels.begin(), labels.begin(), labels.end());
      family.points.push_back(std::move(point));
    }
    return family;
  }

 private:
  void check_not_reserved(const Labels& labels) const;
  Description description_;
  Type type_;
  std::string reserved_label_;
  Make make_;
  mutable std::mutex mutex_;
  std::map<Labels, std::unique_ptr<Instrument>> instruments_;
};

class Registry {
 public:
  // Reads its numbers when asked; must be quick and must not block (it runs in the scrape).
  using Collector = std::function<std::vector<Family>()>;

  // Each throws UsageError when the name is malformed or taken.
  Vector<Counter>& counter(Description description);
  Vector<Gauge>& gauge(Description description);
  Vector<Histogram>& histogram(Description description, std::vector<double> upper_bounds);
  Vector<Summary>& summary(Description description, std::vector<double> quantiles,
                           std::size_t window = 1024);
  Vector<Info>& info(Description description);
  Vector<StateSet>& state_set(Description description, std::vector<std::string> states);
  void add(Collector collector);

  // All families with at least one point, in order of registration, collectors last.
  [[nodiscard]] std::vector<Family> collect() const;

 private:
  template <class Instrument>
  Vector<Instrument>& keep(Description description, Type type, std::string reserved_label,
                           typename Vector<Instrument>::Make make);
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<FamilySource>> sources_;
  std::vector<Collector> collectors_;
};

// The buckets of the smokeping prober: 50 us doubling to 26.2 s.
std::vector<double> rtt_buckets_seconds();

}  // namespace tl::live
