// Runs against runs: the verdict, what differs in their set-up, every metric, and their rates over each other.

const kDash = {base: [6, 4], fresh: null};

function chosen(side) {
  return new URLSearchParams(location.search).getAll(side);
}

function valueText(metric, value) {
  if (value === null || value === undefined) return "–";
  if (metric.unit === "s") return lengthText(value * 1e9);
  return metric.unit ? withPrefix(value, metric.unit) : String(value);
}

function metricRow(metric) {
  const name = h("span", {title: metric.reason || ""}, metric.is_judged ? h("strong", {}, metric.name) : metric.name);
  if (metric.missing) return [name, "–", "–", "–", "–", h("span", {class: "reason"}, metric.missing)];
  return [name, valueText(metric, metric.base_median), valueText(metric, metric.fresh_median), valueText(metric, metric.shift),
    metric.p.toFixed(4), metric.trend];
}

function metricsSection(result) {
  if (result.metrics.length === 0) return null;
  return section("metrics", "Metrics", h("p", {class: "note"},
    "Medians over runs. Shift: Hodges and Lehmann’s estimate of the difference. p: exact rank test, two-sided. The judged metric is bold."),
  table("Baseline and now", [{name: "Metric"}, {name: "Baseline", number: true}, {name: "Now", number: true}, {name: "Shift", number: true},
    {name: "p", number: true}, {name: "Trend"}], result.metrics.map(metricRow)));
}

function differencesSection(result) {
  const rows = result.differences.map(d => [h("code", {}, d.key), d.severity, d.base, d.fresh]);
  return section("differences", "Are they comparable?", rows.length === 0 ? h("p", {class: "note"}, "Nothing that is recorded differs.") :
    table("Differences of the manifests", [{name: "Key"}, {name: "Class"}, {name: "Baseline"}, {name: "Now"}], rows));
}

// Bytes a bucket of the receiving service, from the run's own counters: [seconds after the gate, bit/s].
async function ratesOf(name) {
  const read = async file => {
    const answer = await fetch(`/bundle/${encodeURIComponent(name)}/${file}`);
    if (!answer.ok) throw new Error(`${name}: no ${file}`);
    return answer.text();
  };
  const [manifest, csv] = await Promise.all([read("manifest.json").then(JSON.parse), read("counters/container.csv")]);
  const gate_ns = BigInt((manifest.traffic_window && manifest.traffic_window.start_ns) || 0);
  const lines = csv.trim().split("\n").map(line => line.split(","));
  const columns = {time: lines[0].indexOf("time_ns"), container: lines[0].indexOf("container"), rx: lines[0].indexOf("rx_bytes")};
  const totals = new Map();
  for (const row of lines.slice(1)) totals.set(row[columns.container], (totals.get(row[columns.container]) || 0) + Number(row[columns.rx]));
  const receiver = [...totals].sort((a, b) => b[1] - a[1])[0][0];
  const rows = lines.slice(1).filter(row => row[columns.container] === receiver);
  const origin_ns = gate_ns || BigInt(rows[0][columns.time]);
  const step_s = rows.length > 1 ? Number(BigInt(rows[1][columns.time]) - BigInt(rows[0][columns.time])) / 1e9 : 0.01;
  const first_s = Number(BigInt(rows[0][columns.time]) - origin_ns) / 1e9;
  return {receiver, step_s, first: Math.round(first_s / step_s), values: rows.map(row => Number(row[columns.rx]) * 8 / step_s)};
}

// All runs on one grid of buckets; where a run has none it has no value.
function overlay(runs) {
  const step_s = runs[0].step_s;
  const first = Math.min(...runs.map(run => run.first));
  const length = Math.max(...runs.map(run => run.first + run.values.length)) - first;
  const columns = [Array.from({length}, (_, i) => (first + i) * step_s)];
  for (const run of runs) {
    const column = new Array(length).fill(null);
    run.values.forEach((value, i) => column[run.first - first + i] = value);
    columns.push(column);
  }
  return columns;
}

async function plotSection() {
  const names = [...chosen("base").map(name => ["base", name]), ...chosen("fresh").map(name => ["fresh", name])];
  const place = h("div", {class: "plots"});
  const note = h("p", {class: "note"}, "Received by the service that received most, bucket by bucket, from the opening of each run’s gate. Dashed: baseline.");
  const element = section("rates", "Rates over each other", note, place);
  try {
    const runs = await Promise.all(names.map(([, name]) => ratesOf(name)));
    if (runs.some(run => run.step_s !== runs[0].step_s)) throw new Error("their buckets differ in length");
    const axis = {stroke: () => color("muted"), grid: {stroke: () => color("grid")}, ticks: {show: false}};
    requestAnimationFrame(() => {
      const plot = new uPlot({width: place.clientWidth - 20, height: 320, scales: {x: {time: false}},
        axes: [{...axis, values: (_, ticks) => ticks.map(t => `${t} s`)}, {...axis, size: 86, values: (_, ticks) => ticks.map(t => axisText(t, "bit/s"))}],
        series: [{label: "time", value: (_, v) => v === null ? "–" : `${v.toFixed(2)} s`},
          ...names.map(([side, name]) => ({label: name, stroke: () => color(side === "base" ? "rx" : "tx"), dash: kDash[side], width: 1,
            value: (_, v) => v === null ? "–" : withPrefix(v, "bit/s")}))]}, overlay(runs), place);
      addEventListener("resize", () => plot.setSize({width: place.clientWidth - 20, height: 320}));
      document.documentElement.dataset.plotted = runs.length;
    });
  } catch (error) {
    place.replaceWith(missing("Rates", error.message));
    document.documentElement.dataset.plotted = 0;
  }
  return element;
}

async function start() {
  const main = h("main", {id: "main"}, h("h1", {}, "Comparison"));
  document.getElementById("page").replaceChildren(
    h("header", {class: "top"}, h("div", {class: "bar"}, h("a", {class: "brand", href: "/"}, "trafficlab"), themeButton(() => {}))), main);
  const answer = await fetch(`/api/compare${location.search}`);
  if (!answer.ok) {
    main.append(h("p", {class: "missing"}, await answer.text()));
  } else {
    const result = await answer.json();
    const runs = side => chosen(side).join(", ");
    main.append(h("p", {class: "sub"}, `${runs("fresh")} against ${runs("base")}`),
      h("p", {class: `verdict ${result.verdict}`}, h("strong", {}, result.verdict), h("span", {class: "reason"}, result.reason)),
      await plotSection(), ...[metricsSection(result), differencesSection(result)].filter(Boolean));
  }
  document.documentElement.dataset.readyMs = performance.now().toFixed(1);
}

start();
