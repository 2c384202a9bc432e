#include "live/registry.hh"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.hh"

namespace tl::live {
namespace {

void drop_suffix(std::string& name, std::string_view suffix) {
  if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
}

}  // namespace

template <class Instrument>
void Vector<Instrument>::check_not_reserved(const Labels& labels) const {
  for (const auto& [name, value] : labels)
    if (!reserved_label_.empty() && name == reserved_label_)
      throw UsageError{fmt::format("label {}: '{}' is reserved", description_.name, name)};
}

template <class Instrument>
Vector<Instrument>& Registry::keep(Description description, Type type, std::string reserved_label,
                                   typename Vector<Instrument>::Make make) {
  check_metric_name(description.name);
  if (!description.unit.empty() && !description.name.ends_with("_" + description.unit))
    throw UsageError{fmt::format("register {}: its name does not end in its unit _{}",
                                 description.name, description.unit)};
  const std::lock_guard lock{mutex_};
  if (std::find(names_.begin(), names_.end(), description.name) != names_.end())
    throw UsageError{fmt::format("register {}: the name is taken", description.name)};
  names_.push_back(description.name);
  auto family = std::make_unique<Vector<Instrument>>(std::move(description), type,
                                                     std::move(reserved_label), std::move(make));
  Vector<Instrument>& reference = *family;
  sources_.push_back(std::move(family));
  return reference;
}

Vector<Counter>& Registry::counter(Description description) {
  drop_suffix(description.name, "_total");
  return keep<Counter>(std::move(description), Type::counter, "",
                       [] { return std::make_unique<Counter>(); });
}

Vector<Gauge>& Registry::gauge(Description description) {
  return keep<Gauge>(std::move(description), Type::gauge, "",
                     [] { return std::make_unique<Gauge>(); });
}

Vector<Histogram>& Registry::histogram(Description description, std::vector<double> upper_bounds) {
  (void)Histogram{upper_bounds};  // wrong bounds are refused here, not at the first observation
  return keep<Histogram>(
      std::move(description), Type::histogram, "le",
      [bounds = std::move(upper_bounds)] { return std::make_unique<Histogram>(bounds); });
}

Vector<Summary>& Registry::summary(Description description, std::vector<double> quantiles,
                                   std::size_t window) {
  (void)Summary{quantiles, window};
  return keep<Summary>(std::move(description), Type::summary, "quantile",
                       [quantiles = std::move(quantiles), window] {
                         return std::make_unique<Summary>(quantiles, window);
                       });
}

Vector<Info>& Registry::info(Description description) {
  drop_suffix(description.name, "_info");
  return keep<Info>(std::move(description), Type::info, "",
                    [] { return std::make_unique<Info>(); });
}

Vector<StateSet>& Registry::state_set(Description description, std::vector<std::string> states) {
  (void)StateSet{states};
  std::string own_name = description.name;  // the label that carries the state
  return keep<StateSet>(
      std::move(description), Type::stateset, std::move(own_name),
      [states = std::move(states)] { return std::make_unique<StateSet>(states); });
}

void Registry::add(Collector collector) {
  const std::lock_guard lock{mutex_};
  collectors_.push_back(std::move(collector));
}

std::vector<Family> Registry::collect() const {
  std::vector<Family> families;
  const auto take = [&](Family family) {
    if (!family.points.empty()) families.push_back(std::move(family));
  };
  const std::lock_guard lock{mutex_};
  for (const auto& source : sources_) take(source->collect());
  for (const Collector& collector : collectors_)
    for (Family& family : collector()) take(std::move(family));
  return families;
}

std::vector<double> rtt_buckets_seconds() {
  std::vector<double> bounds;
  for (int k = 0; k < 20; ++k) bounds.push_back(5e-05 * static_cast<double>(1U << k));
  return bounds;
}

template class Vector<Counter>;
template class Vector<Gauge>;
template class Vector<Histogram>;
template class Vector<Summary>;
template class Vector<Info>;
template class Vector<StateSet>;

}  // namespace tl::live
