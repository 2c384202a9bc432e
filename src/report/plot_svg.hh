// The main plot without a browser: the rates of every service over time, for slides and pages.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "analysis/timeline.hh"

namespace tl {

// A panel a service on one scale. Each column of the picture has the range (pale) and the mean
// (line) of its buckets. Standalone SVG 1.1, light; no fonts or files needed. A text that says so
// where the bundle has no counters.
std::string plot_svg(const Timeline& timeline, const nlohmann::json& document);

struct OverlaidRun {
  Timeline timeline;
  std::int64_t gate_ns = 0;  // when its traffic began, since the epoch
};

// What every service received in two runs, one curve over the other, both in seconds since their
// own traffic began. A text that says why where there is nothing to draw.
std::string overlay_svg(const OverlaidRun& base, const OverlaidRun& fresh,
                        const std::string& title);

}  // namespace tl
