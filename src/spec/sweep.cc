#include "spec/sweep.hh"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.hh"
#include "spec/settings.hh"

namespace tl {
namespace {

constexpr std::size_t kMostCells = 10'000;

void set(Experiment& experiment, const std::string& path, const std::string& value) {
  const auto table = settings();
  const auto setting =
      std::find_if(table.begin(), table.end(), [&](const Setting& s) { return s.path == path; });
  setting->set(experiment, value);
}

bool holds(const Combination& values, const Combination& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& one) {
    return std::find(values.begin(), values.end(), one) != values.end();
  });
}

Cell make_cell(const Sweep& sweep, Combination values) {
  Cell cell{std::move(values), sweep.base};
  try {
    for (const auto& [path, value] : cell.values) set(cell.experiment, path, value);
    check(cell.experiment);
  } catch (const UsageError& e) {
    throw UsageError{
        fmt::format("matrix, {}: {} (exclude it)", combination_text(cell.values), e.what())};
  }
  return cell;
}

}  // namespace

std::string combination_text(const Combination& values) {
  std::string text;
  for (const auto& [path, value] : values)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", path, value);
  return text;
}

std::vector<Cell> cells(const Sweep& sweep) {
  std::vector<Combination> all{{}};
  for (const Axis& axis : sweep.axes) {
    std::vector<Combination> longer;
    for (const Combination& begun : all)
      for (const std::string& value : axis.values) {
        longer.push_back(begun);
        longer.back().emplace_back(axis.path, value);
      }
    all = std::move(longer);
    if (all.size() > kMostCells)
      throw UsageError{fmt::format("matrix: more than {} combinations", kMostCells)};
  }
  std::vector<Cell> found;
  for (Combination& values : all)
    if (std::none_of(sweep.exclude.begin(), sweep.exclude.end(),
                     [&](const Combination& wanted) { return holds(values, wanted); }))
      found.push_back(make_cell(sweep, std::move(values)));
  if (found.empty()) throw UsageError{"matrix: every combination is excluded"};
  return found;
}

}  // namespace tl
