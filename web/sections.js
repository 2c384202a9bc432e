// The parts of the page that are text and tables.

const kVerdicts = {pass: "✓", fail: "✗", inconclusive: "?"};

// "TCP, 4 streams, 60 s, server to client", as iperf says it.
function testText(report) {
  const track = report.iperf.find(t => t.test);
  if (!track) return "";
  const {protocol, num_streams, duration, reverse, target_bitrate} = track.test;
  return [protocol, num_streams ? `${num_streams} stream${num_streams === 1 ? "" : "s"}` : null, duration ? `${duration} s` : null,
    target_bitrate ? `${withPrefix(target_bitrate, "bit/s")} a stream` : null, reverse ? "server to client" : "client to server"].filter(Boolean).join(", ");
}

function header(report, theme) {
  const {run, outcome} = report;
  const verdict = (outcome && outcome.verdict) || "inconclusive";
  const test = testText(report);
  return h("header", {class: "top"},
    h("div", {class: "bar"}, h("span", {class: "brand"}, "trafficlab"), theme),
    h("h1", {}, run.name),
    test ? h("p", {class: "sub test"}, test) : null,
    h("p", {class: "sub"}, [run.started.replace("T", " ").replace(/\.\d+Z$/, " UTC"), run.engine ? `${run.engine} engine` : null,
      run.version].filter(Boolean).join(" · ")),
    h("p", {class: `verdict ${verdict}`, role: "status"}, h("span", {"aria-hidden": "true"}, kVerdicts[verdict] || "?"),
      h("strong", {}, verdict), outcome && outcome.reason ? h("span", {class: "reason"}, outcome.reason) : null));
}

function tile(name, value, note) {
  return h("div", {class: "tile"}, h("dt", {}, name), h("dd", {}, value), note ? h("dd", {class: "note"}, note) : null);
}

function headline(report) {
  const tiles = [];
  const traffic = report.summary.traffic;
  const isTcp = traffic && Number.isInteger(traffic.retransmits);
  const isUdp = traffic && traffic.goodput_bps && !isTcp;
  const path = report.delay.missing ? null : report.delay.paths.reduce((a, b) => b.count > a.count ? b : a);
  const failed = report.iperf.find(track => track.missing);
  if (!traffic || !traffic.goodput_bps) {
    tiles.push(tile("Goodput", "not measured", failed ? failed.missing : null));
  } else {
    tiles.push(tile("Goodput", withPrefix(traffic.goodput_bps, "bit/s"), "iperf, receiving side"));
    tiles.push(tile("Received", withPrefix(traffic.bytes_received, "B"), `in ${secondsText(traffic.seconds, 2)}`));
    if (isTcp)
      tiles.push(tile("Retransmits", exact(traffic.retransmits), "segments, sender’s kernel"));
  }
  const t = report.timeline;
  const receiver = t.missing ? null : t.series.find(s => s.name === t.receiver);
  if (receiver && receiver.statistics.rx_bytes.quantiles.length) {
    const q = receiver.statistics.rx_bytes.quantiles;
    const rate = k => withPrefix(q[k] * rateFactor("bits", t.interval_ns), "bit/s");
    tiles.push(tile(`Median of ${lengthText(t.interval_ns)} rates`, rate(100), `p5 ${rate(10)}, p99 ${rate(198)}`));
    const longest = Math.max(0, ...t.stalls.list.map(s => s.length_ns));
    tiles.push(tile("Longest stall", longest ? lengthText(longest) : "none", `${t.stalls.count} of at least ${lengthText(t.stalls.shortest_ns)}`));
  }
  if (path && isUdp) {
    tiles.push(tile("Lost on the way", `${exact(path.lost_packets)} packets`, `of ${exact(path.count + path.lost_packets)} between the captures`));
    tiles.push(tile("Median one-way delay", lengthText(path.p50_ns), `p99 ${lengthText(path.p99_ns)}`));
  }
  const rtt = report.rtt.missing || !isTcp ? null : report.rtt.sides.filter(s => s.end !== "both").reduce((a, b) => b.count > a.count ? b : a);
  if (rtt) tiles.push(tile("Median TCP RTT", lengthText(rtt.p50_ns), `p99 ${lengthText(rtt.p99_ns)}, at ${rtt.capture}`));
  const identities = report.reconciliation.identities;
  if (identities) {
    const count = verdict => identities.filter(i => i.verdict === verdict).length;
    tiles.push(tile("Sources agree", `${count("exact") + count("explained")} of ${identities.length}`,
      `${count("exact")} exactly, ${count("explained")} with a named cause`));
  }
  const captures = Object.values(report.summary.captures || {});
  if (captures.length) {
    const sum = key => captures.reduce((total, c) => total + c[key], 0);
    tiles.push(tile("Captured", `${withPrefix(sum("written"), "")} packets`, `${exact(sum("kernel_dropped"))} dropped, ${exact(sum("unexplained"))} unexplained`));
  }
  return h("dl", {class: "tiles"}, tiles);
}

function statisticsTable(rates) {
  const t = rates.timeline;
  const rows = [];
  for (const series of t.series)
    for (const d of kDirections) {
      const s = series.statistics[columnName(d, rates.unit, rates.layer)];
      if (!s.quantiles.length || rates.isHidden(`${series.name} ${d}`)) continue;
      const show = count => withPrefix(count * rateFactor(rates.unit, t.interval_ns), kUnits[rates.unit].label);
      rows.push([`${series.name} ${d.toUpperCase()}`, ...[0, 10, 100, 190, 198, 200].map(k => show(s.quantiles[k])), show(s.sum / s.buckets)]);
    }
  return table(`${lengthText(t.interval_ns)} rates inside the traffic window`,
    [{name: "Series"}, ...["min", "p5", "median", "p95", "p99", "max", "mean"].map(name => ({name, number: true}))], rows);
}

// A metric's value as people read it; its exact digits are the tooltip.
function metricValue({value, unit}) {
  if (typeof value !== "number") return String(value);
  const isRate = ["bit/s", "B/s", "B", "bytes", "packets/s"].includes(unit);
  const shown = unit === "s" ? lengthText(value * 1e9) : unit === "ns" ? lengthText(value) : isRate
    ? withPrefix(value, unit === "bytes" ? "B" : unit) : `${+value.toPrecision(4)}${unit && unit !== "1" ? ` ${unit}` : ""}`;
  return h("span", {title: `${value} ${unit || ""}`.trim()}, shown);
}

// What was measured as a table, what was not by its reason.
function metrics(report) {
  const m = report.metrics;
  if (!m.metrics) return missing("Metrics", m.missing);
  const isMeasured = x => x.value !== null && x.value !== undefined;
  const measured = m.metrics.filter(isMeasured);
  const reasons = new Map();
  for (const x of m.metrics.filter(metric => !isMeasured(metric))) {
    const reason = x.reason || "no reason given";
    reasons.set(reason, [...(reasons.get(reason) || []), x.name]);
  }
  const usual = measured.length ? measured[0].direction : null;  // named once, above the table
  const arrows = {higher: "↑ higher", lower: "↓ lower"};
  return [
    table(usual ? `${usual.replaceAll("_", " ")}, where nothing else is said` : "Metrics",
      [{name: "Metric"}, {name: "Value", number: true}, {name: "Better", word: true}],
      measured.map(x => [h("span", {}, x.name, x.direction && x.direction !== usual ? ` (${x.direction.replaceAll("_", " ")})` : null, h("br"), h("span", {class: "note"}, x.definition || "")),
        metricValue(x), arrows[x.better] || ""])),
    [...reasons].map(([reason, list]) => h("p", {class: "missing"}, `Not measured: ${reason}. `, h("br"), list.join(", ")))];
}

function termValue(term, unit) {
  const value = term.value !== undefined ? term.value : term.value_bytes;
  return `${exact(value)} ${unit || "bytes"}`;
}

const kIdentityMarks = {exact: "✓", explained: "≈", unexplained: "✗", not_checked: "–"};

function identityVerdict(verdict) {
  return h("span", {class: `identity ${verdict}`}, h("span", {"aria-hidden": "true"}, kIdentityMarks[verdict] || "–"), ` ${verdict.replace("_", " ")}`);
}

// One row a kind of identity; the terms of every service and direction unfold below it.
function reconciliation(report) {
  const identities = report.reconciliation.identities;
  if (!identities) return missing("Reconciliation", report.reconciliation.missing);
  const names = [...new Set(identities.map(i => i.name))];
  return names.map(name => {
    const group = identities.filter(i => i.name === name);
    const worst = ["unexplained", "not_checked", "explained", "exact"].find(v => group.some(i => i.verdict === v)) || "not_checked";
    const exactOnes = group.filter(i => i.verdict === "exact").length;
    return h("details", {open: worst === "unexplained", "data-verdict": worst},
      h("summary", {}, h("span", {class: "what"}, name), h("span", {class: "count"}, `${exactOnes} of ${group.length} exact`), identityVerdict(worst)),
      table(name, [{name: "Service"}, {name: "Direction"}, {name: "Terms"}, {name: "Difference", number: true}, {name: "Verdict"}],
        group.map(i => [i.service, i.direction, h("ul", {class: "terms"}, i.terms.map(term =>
          h("li", {}, h("b", {}, termValue(term, i.unit)), ` ${term.name}`))), exact(i.difference),
          h("span", {}, identityVerdict(i.verdict), i.reason ? h("span", {class: "note"}, ` ${i.reason}`) : null)])));
  });
}

function flows(report) {
  const f = report.flows;
  if (f.missing) return missing("Flows", f.missing);
  const end = (address, port) => port ? `${address.includes(":") ? `[${address}]` : address}:${port}` : address;
  return [table(`Flows in the capture of ${f.from}`,
    [{name: "Flow"}, {name: "Packets", number: true}, {name: "Frames", number: true}, {name: "Payload", number: true},
      {name: "Sent again", number: true}, {name: "Begins", number: true}, {name: "Lasts", number: true}],
    f.flows.map(x => [`${x.protocol} ${end(x.client, x.client_port)} → ${end(x.server, x.server_port)}`, exact(x.packets),
      withPrefix(x.frame_bytes, "B"), withPrefix(x.payload_bytes, "B"), withPrefix(x.retransmitted_bytes, "B"),
      lengthText(x.start_ns), lengthText(x.length_ns)])),
  f.flow_count > f.flows.length ? h("p", {class: "note"}, `The ${f.flows.length} largest of ${f.flow_count}.`) : null];
}

function percentiles(caption, rows) {
  return table(caption, [{name: "Of"}, ...["samples", "min", "p50", "p90", "p95", "p99", "max"].map(name => ({name, number: true}))],
    rows.map(([name, d]) => [name, exact(d.count), ...["min_ns", "p50_ns", "p90_ns", "p95_ns", "p99_ns", "max_ns"].map(k => lengthText(d[k]))]));
}

function rtt(report) {
  if (report.rtt.missing) return missing("Round-trip times", report.rtt.missing);
  const sides = report.rtt.sides.filter(s => s.end !== "both").map(s => [`acknowledged by the ${s.end}, seen at ${s.capture}`, s]);
  return [h("div", {class: "charts"}, sides.filter(([, s]) => s.count > 100).map(([name, s]) => durationHistogram(`RTT ${name}`, s))),
    percentiles("TCP round-trip times, passive", sides)];
}

function delay(report) {
  if (report.delay.missing) return missing("One-way delay", report.delay.missing);
  const paths = report.delay.paths.map(p => [`${p.source_ip} → ${p.destination_ip}`, p]);
  return [h("div", {class: "charts"}, paths.filter(([, p]) => p.count > 100).map(([name, p]) => durationHistogram(`Delay ${name}`, p))),
    percentiles("One-way delay between the two captures, which share a clock", paths),
    table("What happened between the two captures",
      [{name: "Path"}, ...["lost", "duplicated", "reordered"].map(name => ({name, number: true}))],
      paths.map(([name, p]) => [name, exact(p.lost_packets), exact(p.duplicated_packets), exact(p.reordered_packets)]))];
}

function captureAccounts(report) {
  const captures = report.summary.captures;
  if (!captures) return missing("Capture accounts", "summary.json has none");
  return table("Every packet accounted for", [{name: "Capture"}, ...["received", "written", "dropped", "unexplained"].map(name => ({name, number: true}))],
    Object.entries(captures).map(([name, c]) => [name, exact(c.received), exact(c.written), exact(c.kernel_dropped), exact(c.unexplained)]));
}

function environment(report) {
  return report.environment.map(group => h("details", {}, h("summary", {}, h("span", {class: "what"}, group.name),
    h("span", {class: "count"}, `${group.rows.length} ${group.rows.length === 1 ? "fact" : "facts"}`)),
  table(group.name, [{name: "Fact"}, {name: "Value"}], group.rows)));
}

function command(text) {
  const code = h("code", {}, text);
  const button = h("button", {type: "button", class: "copy", "aria-label": `Copy: ${text}`, click: async () => {
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";  // no clipboard here: the text is selected for the reader
    }
  }}, "Copy");
  return h("div", {class: "command"}, h("pre", {}, code), button);
}

function shellWord(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function repeat(report) {
  const {run} = report;
  return [h("p", {}, "The bundle holds its experiment; this repeats it:"), command(`trafficlab run ${shellWord(`results/${run.name}`)}`),
    h("p", {}, "Whether every number here follows from the evidence, and whether any file has changed:"),
    command(`trafficlab recompute ${shellWord(`results/${run.name}`)}`), command(`trafficlab verify ${shellWord(`results/${run.name}`)}`),
    Array.isArray(run.argv) ? [h("p", {}, "It was first run as:"), command(run.argv.map(shellWord).join(" "))] : null,
    run.experiment ? h("details", {}, h("summary", {}, h("span", {class: "what"}, "experiment.yaml")), h("pre", {}, run.experiment)) : null];
}
