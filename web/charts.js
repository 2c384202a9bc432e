// Distributions as SVG: sharp on paper, and small.

const kChart = {width: 560, height: 250, left: 46, right: 14, top: 10, bottom: 42};

// A frame with axes. `x`, `y`: {at: value → position in 0…1, ticks: [[value, label]]}.
function chart(label, x, y, xTitle, ...marks) {
  const c = kChart;
  const w = c.width - c.left - c.right;
  const hgt = c.height - c.top - c.bottom;
  const px = value => c.left + x.at(value) * w;
  const py = value => c.top + (1 - y.at(value)) * hgt;
  return svg("svg", {viewBox: `0 0 ${c.width} ${c.height}`, role: "img", "aria-label": label, class: "chart"},
    y.ticks.map(([value, text]) => [
      svg("line", {class: "grid", x1: c.left, x2: c.width - c.right, y1: py(value), y2: py(value)}),
      svg("text", {x: c.left - 7, y: py(value) + 4, "text-anchor": "end"}, text)]),
    x.ticks.map(([value, text]) => [
      svg("line", {class: "grid", x1: px(value), x2: px(value), y1: c.top, y2: c.height - c.bottom}),
      svg("text", {x: px(value), y: c.height - c.bottom + 16, "text-anchor": "middle"}, text)]),
    svg("text", {x: c.left + w / 2, y: c.height - 6, "text-anchor": "middle", class: "axis-title"}, xTitle),
    marks.flat().map(mark => mark(px, py)));
}

function linear(low, high, wanted, label) {
  const span = high - low || 1;
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= raw);
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) ticks.push([v, label(v)]);
  return {at: v => (v - low) / span, ticks};
}

function logarithmic(low, high, label) {
  const from = Math.log10(low);
  const span = Math.log10(high) - from || 1;
  const ticks = [];
  for (let p = Math.floor(from); p <= Math.ceil(Math.log10(high)); p++)
    for (const m of span < 2 ? [1, 2, 5] : [1]) {
      const v = m * 10 ** p;
      if (v >= low * 0.999 && v <= high * 1.001) ticks.push([v, label(v)]);
    }
  return {at: v => (Math.log10(v) - from) / span, ticks};
}

const kPercent = {at: v => v / 100, ticks: [0, 25, 50, 75, 100].map(v => [v, `${v} %`])};

// Cumulative share of 10 ms buckets by their rate.
function rateDistribution(rates, direction) {
  const column = columnName(direction, rates.unit, rates.layer);
  const factor = rateFactor(rates.unit, rates.timeline.interval_ns);
  const curves = rates.timeline.series
    .filter(s => !rates.isHidden(`${s.name} ${direction}`) && s.statistics[column].quantiles.length)
    .map((s, i) => ({name: s.name, dash: ["", "6 3", "2 3", "8 3 2 3"][i % 4], points: s.statistics[column].quantiles.map((q, k) => [q * factor, k / 2])}));
  if (curves.length === 0) return h("p", {class: "missing"}, `No ${direction.toUpperCase()} series is shown.`);
  const largest = Math.max(...curves.map(c => c.points.at(-1)[0]), 1e-9);
  const x = linear(0, largest, 5, v => axisText(v, ""));
  const marks = curves.map(curve => (px, py) => svg("path", {class: `curve ${direction}`, "stroke-dasharray": curve.dash || null,
    d: curve.points.map(([v, p], i) => `${i ? "L" : "M"}${px(v).toFixed(1)},${py(p).toFixed(1)}`).join("")},
    svg("title", {}, curve.name)));
  return h("figure", {},
    h("figcaption", {}, h("strong", {}, direction.toUpperCase()), " ", curves.map(c => h("span", {class: "key"},
      svg("svg", {viewBox: "0 0 26 8", width: 26, height: 8, "aria-hidden": "true"},
        svg("path", {class: `curve ${direction}`, d: "M0,4H26", "stroke-dasharray": c.dash || null})), c.name))),
    chart(`Cumulative distribution of ${direction.toUpperCase()} rates`, x, kPercent, kUnits[rates.unit].label, marks));
}

// Bins of durations as density on a logarithmic axis: areas compare, whatever the bins' widths.
function durationHistogram(name, distribution) {
  const bins = (distribution.histogram || []).filter(([low]) => low > 0);
  if (bins.length === 0) return null;
  const low = bins[0][0];
  const high = Math.max(bins.at(-1)[1], low * 2);
  const kBins = 72;
  const step = Math.log(high / low) / kBins;
  const sums = new Array(kBins).fill(0);
  for (const [from, to, count] of bins)  // a source bin is shared out over those it spans
    for (let k = Math.max(0, Math.floor(Math.log(from / low) / step)); k < kBins; k++) {
      const begin = low * Math.exp(k * step);
      if (begin >= to) break;
      const shared = Math.min(to, low * Math.exp((k + 1) * step)) - Math.max(from, begin);
      if (shared > 0) sums[k] += count * shared / (to - from);
    }
  const total = distribution.count;
  const largest = Math.max(...sums) / total * 100;
  const x = logarithmic(low, high, lengthText);
  const y = linear(0, largest, 4, v => `${+v.toFixed(1)} %`);
  const bars = (px, py) => svg("path", {class: "bars", d: sums.map((s, k) => {
    if (s === 0) return "";
    const from = px(low * Math.exp(k * step));
    const to = px(low * Math.exp((k + 1) * step));
    return `M${from.toFixed(1)},${py(0).toFixed(1)}V${py(s / total * 100).toFixed(1)}H${(to - 0.5).toFixed(1)}V${py(0).toFixed(1)}Z`;
  }).join("")});
  const middle = (px, py) => svg("line", {class: "median", x1: px(distribution.p50_ns), x2: px(distribution.p50_ns), y1: py(0), y2: py(largest)},
    svg("title", {}, `median ${lengthText(distribution.p50_ns)}`));
  return h("figure", {}, h("figcaption", {}, h("strong", {}, name), ` · ${exact(total)} samples, median ${lengthText(distribution.p50_ns)}`),
    chart(`Distribution of ${name}`, x, y, "share of samples per bar, logarithmic time", [bars, middle]));
}
