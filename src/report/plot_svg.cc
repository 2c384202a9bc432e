#include "report/plot_svg.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/units.hh"
#include "report/page.hh"

namespace tl {
namespace {

constexpr double kWidth = 1120, kLeft = 92, kRight = 20, kTop = 56, kPanel = 150, kGap = 40;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
constexpr std::size_t kMostColumns = 1008;  // one a unit of width

struct Direction {
  Column column;
  std::string_view name, color;
};
using Directions = std::array<Direction, 2>;
constexpr Directions kDirections{Direction{Column::rx_bytes, "RX", "#0072b2"},
                                 Direction{Column::tx_bytes, "TX", "#d55e00"}};
// The columns that overlaid() puts the two runs into.
constexpr Directions kRuns{Direction{Column::rx_bytes, "baseline", "#0072b2"},
                           Direction{Column::tx_bytes, "now", "#d55e00"}};

// What all panels share.
struct Scale {
  double seconds_first = 0, seconds_length = 1;  // of the time axis, since the gate opened
  double top = 1;                                // bytes a bucket at the upper edge
  double interval_s = 1;
  [[nodiscard]] double x(double share) const { return kLeft + share * kPlotWidth; }
  [[nodiscard]] double y(double bytes, double panel_top) const {
    return panel_top + kPanel * (1 - bytes / top);
  }
};

// A step of 1, 2 or 5 times a power of ten that divides `span` into about `wanted` parts.
double nice_step(double span, double wanted) {
  const double raw = span / wanted;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double m : {1.0, 2.0, 5.0})
    if (m * power >= raw) return m * power;
  return 10 * power;
}

// "500 Mbit/s": a value on an axis, without digits that say nothing.
std::string axis_text(double bits_per_second) {
  constexpr std::array kPrefixes{"", "k", "M", "G", "T"};
  std::size_t step = 0;
  for (; bits_per_second >= 1000 && step + 1 < kPrefixes.size(); ++step) bits_per_second /= 1000;
  return fmt::format("{:.4g} {}bit/s", bits_per_second, kPrefixes[step]);
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text,
                    std::string_view more = "") {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>)"
                     "\n",
                     x, y, anchor, more, escape_markup(text));
}

std::string grid(const Scale& scale, double top, bool is_last) {
  std::string text;
  const double bits = scale.top * 8 / scale.interval_s;
  const double step = nice_step(bits, 4);
  for (int i = 0; i * step <= bits; ++i) {
    const double y = scale.y(i * step * scale.interval_s / 8, top);
    text += fmt::format("<path class=\"grid\" d=\"M{:.1f},{:.1f}H{:.1f}\"/>\n", kLeft, y,
                        kLeft + kPlotWidth);
    text += text_at(kLeft - 8, y + 4, "end", i == 0 ? "0" : axis_text(i * step));
  }
  const double seconds = nice_step(scale.seconds_length, 8);
  const double last = scale.seconds_first + scale.seconds_length;
  for (auto i = std::lround(std::ceil(scale.seconds_first / seconds));
       static_cast<double>(i) * seconds <= last; ++i) {
    const double t = static_cast<double>(i) * seconds;
    const double x = scale.x((t - scale.seconds_first) / scale.seconds_length);
    text +=
        fmt::format("<path class=\"grid\" d=\"M{:.1f},{:.1f}V{:.1f}\"/>\n", x, top, top + kPanel);
    if (is_last) text += text_at(x, top + kPanel + 20, "middle", fmt::format("{:.6g} s", t));
  }
  return text;
}

// The buckets of column k of n.
std::pair<std::size_t, std::size_t> column_range(std::size_t buckets, std::size_t k,
                                                 std::size_t n) {
  return {k * buckets / n, std::max((k + 1) * buckets / n, k * buckets / n + 1)};
}

std::string curve(const Scale& scale, const std::vector<std::uint64_t>& counts, double top,
                  const Direction& direction) {
  const std::size_t n = std::min(counts.size(), kMostColumns);
  std::string upper, lower, mean;
  for (std::size_t k = 0; k < n; ++k) {
    const auto [begin, end] = column_range(counts.size(), k, n);
    const auto first = counts.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = counts.begin() + static_cast<std::ptrdiff_t>(end);
    const auto [low, high] = std::minmax_element(first, last);
    double sum = 0;
    for (auto i = first; i != last; ++i) sum += static_cast<double>(*i);
    const double x = scale.x((static_cast<double>(k) + 0.5) / static_cast<double>(n));
    const auto y = [&](double bytes) { return scale.y(bytes, top); };
    upper += fmt::format("{}{:.1f},{:.1f}", k == 0 ? "M" : "L", x, y(static_cast<double>(*high)));
    lower = fmt::format("L{:.1f},{:.1f}", x, y(static_cast<double>(*low))) + lower;
    mean += fmt::format("{}{:.1f},{:.1f}", k == 0 ? "M" : "L", x,
                        y(sum / static_cast<double>(end - begin)));
  }
  return fmt::format(R"(<path d="{}{}Z" fill="{}" fill-opacity=".28"/>)"
                     "\n"
                     R"(<path d="{}" fill="none" stroke="{}" stroke-width="1.4"/>)"
                     "\n",
                     upper, lower, direction.color, mean, direction.color);
}

Scale scale_of(const Timeline& timeline, std::int64_t first_ns) {
  Scale scale;
  scale.interval_s = static_cast<double>(timeline.interval_ns) / 1e9;
  scale.seconds_first = static_cast<double>(first_ns) / 1e9;
  scale.seconds_length = static_cast<double>(timeline.buckets) * scale.interval_s;
  std::uint64_t largest = 1;
  for (const TimelineSeries& series : timeline.series)
    for (const Direction& d : kDirections)
      largest =
          std::max(largest, *std::max_element(series[d.column].begin(), series[d.column].end()));
  scale.top = static_cast<double>(largest) * 1.05;
  return scale;
}

std::string begin_svg(double height, std::string_view label) {
  return fmt::format(
      R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">
<style>text{{font:12px system-ui,sans-serif;fill:#5d6670}}.title{{font-size:18px;font-weight:600;fill:#1b1f24}}.name{{font-weight:600;fill:#1b1f24}}.grid{{stroke:#e4e7ea;fill:none}}</style>
<rect width="100%" height="100%" fill="#fff"/>
)svg",
      kWidth, height, escape_markup(label));
}

std::string legend(const Directions& directions) {
  std::string text;
  double x = kWidth - kRight;
  for (const Direction& d : {directions[1], directions[0]}) {
    const double name_width = 7 * static_cast<double>(d.name.size());
    text += fmt::format(R"(<path d="M{:.0f},21h20" stroke="{}" stroke-width="3"/>)",
                        x - 32 - name_width, d.color) +
            text_at(x, 26, "end", d.name);
    x -= 48 + name_width;
  }
  return text;
}

// A panel a service. `first_ns`: of the first bucket, since the traffic began.
std::string draw(const Timeline& timeline, const std::string& title, std::int64_t first_ns,
                 const Directions& directions) {
  const Scale scale = scale_of(timeline, first_ns);
  const auto panels = static_cast<double>(timeline.series.size());
  std::string text = begin_svg(kTop + panels * (kPanel + kGap) + 12, "Rates of " + title) +
                     text_at(kLeft, 26, "start", title, R"( class="title")") + legend(directions);
  for (std::size_t i = 0; i < timeline.series.size(); ++i) {
    const TimelineSeries& series = timeline.series[i];
    const double top = kTop + static_cast<double>(i) * (kPanel + kGap);
    text += text_at(kLeft, top - 7, "start", series.name, R"( class="name")");
    text += grid(scale, top, i + 1 == timeline.series.size());
    for (const Direction& d : directions) text += curve(scale, series[d.column], top, d);
  }
  return text + "</svg>\n";
}

std::string no_plot(const std::string& title, const std::string& reason) {
  return begin_svg(80, title) + text_at(20, 45, "start", reason) + "</svg>\n";
}

// What a service received from bucket `first` on.
std::vector<std::uint64_t> received(const TimelineSeries& series, std::size_t first,
                                    std::size_t buckets) {
  const auto begin = series[Column::rx_bytes].begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(buckets)};
}

// The buckets that both runs have, counted from the one in which their traffic began; the services
// that both have, in the columns of kRuns.
Timeline overlaid(const OverlaidRun& base, const OverlaidRun& fresh, std::int64_t& first_ns) {
  const Timeline &b = base.timeline, &f = fresh.timeline;
  Timeline both;
  if (!b.missing.empty() || !f.missing.empty() || b.interval_ns != f.interval_ns) {
    both.missing = !b.missing.empty()   ? b.missing
                   : !f.missing.empty() ? f.missing
                                        : "the intervals of the two runs differ";
    return both;
  }
  both.interval_ns = b.interval_ns;
  const auto before = [&](const OverlaidRun& run) {
    return static_cast<std::size_t>(std::max<std::int64_t>(run.gate_ns - run.timeline.first_ns, 0) /
                                    both.interval_ns);
  };
  const std::size_t lead = std::min(before(base), before(fresh));
  const std::size_t skip_b = before(base) - lead, skip_f = before(fresh) - lead;
  first_ns = -static_cast<std::int64_t>(lead) * both.interval_ns;
  both.buckets =
      std::min(b.buckets - std::min(skip_b, b.buckets), f.buckets - std::min(skip_f, f.buckets));
  for (const TimelineSeries& one : b.series)
    for (const TimelineSeries& other : f.series)
      if (one.name == other.name && both.buckets > 0) {
        both.series.push_back({one.name + ", received", {}});
        auto& columns = both.series.back().columns;
        columns[static_cast<std::size_t>(kRuns[0].column)] = received(one, skip_b, both.buckets);
        columns[static_cast<std::size_t>(kRuns[1].column)] = received(other, skip_f, both.buckets);
      }
  if (both.series.empty()) both.missing = "the two runs have no service and no time in common";
  return both;
}

}  // namespace

std::string plot_svg(const Timeline& timeline, const nlohmann::json& document) {
  const std::string name = document.at("run").at("name").get<std::string>();
  if (!timeline.missing.empty()) return no_plot(name, "No counters: " + timeline.missing);
  return draw(timeline, name, document.at("timeline").at("first_ns").get<std::int64_t>(),
              kDirections);
}

std::string overlay_svg(const OverlaidRun& base, const OverlaidRun& fresh,
                        const std::string& title) {
  std::int64_t first_ns = 0;
  const Timeline both = overlaid(base, fresh, first_ns);
  return both.missing.empty() ? draw(both, title, first_ns, kRuns)
                              : no_plot(title, "No plot: " + both.missing);
}

}  // namespace tl
