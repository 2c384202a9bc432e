// Puts the page together. The plots come first: the rest is made once they are on the screen.

function rateSection(report) {
  if (report.timeline.missing) return {element: section("rates", "Rates", missing("Counters", report.timeline.missing)), rates: null};
  const host = h("div", {class: "panels"});
  const rates = new Rates(report, host);
  const plots = h("div", {class: "plots", id: "plots", tabindex: 0, role: "group", "aria-label":
    "Rates over time. Plus and minus zoom, arrow keys pan, 0 shows the whole run, t the traffic.", "aria-describedby": "readout"}, host);
  const shown = h("p", {class: "note", id: "window", "aria-live": "polite"});
  rates.onWindow = ([begin, end]) => {
    const digits = end - begin < 1 ? 3 : 2;
    shown.textContent = `Shown: ${secondsText(begin, digits)} to ${secondsText(end, digits)} after the gate opened, ` +
      `${exact(Math.round((end - begin) / rates.step))} buckets of ${lengthText(report.timeline.interval_ns)}.`;
  };
  listenToKeys(rates, plots);
  listenToWheel(rates, plots);
  listenToTouch(rates, plots);
  const tracks = report.iperf.filter(track => track.intervals);
  const element = section("rates", `Rates, every ${lengthText(report.timeline.interval_ns)}`, controls(rates), plots, readout(rates), shown,
    h("p", {class: "note"}, "Counted in the kernel as each packet passed its container’s device. Shaded grey: outside the traffic window. " +
      (report.timeline.stalls.count ? `Shaded pink: not a byte received for ${lengthText(report.timeline.stalls.shortest_ns)} or longer. ` : "") +
      "Where a pixel holds many buckets, the pale band spans the smallest and largest of them and the line is their mean. ",
      tracks.length ? `Level line: iperf’s own intervals, payload only; triangles: intervals in which TCP sent again. iperf does not say when it began; its time starts here at the ${tracks[0].zero_from}.` : ""),
    report.iperf.filter(track => track.missing).map(track => missing(`iperf’s ${track.side} intervals`, track.missing)));
  return {element, rates};
}

// The slowest moments at the receiver: each can be shown in the plots, and cut out of its capture.
function slowest(report, rates) {
  const {length_ns, service, list} = report.timeline.slowest;
  if (!service) return section("slowest", "Slowest moments", missing("The receiving service", "iperf has no result that says it."));
  const steady = h("p", {class: "note"}, "No 100 ms at the receiver carried less than nine tenths of the mean.".replace("100 ms", lengthText(length_ns)));
  if (list.length === 0) return section("slowest", "Slowest moments", steady);
  const show = window => () => {
    const begin = window.start_ns / 1e9;
    rates.show(begin - 4 * length_ns / 1e9, begin + 5 * length_ns / 1e9);
    document.getElementById("plots").scrollIntoView({block: "nearest"});
    document.getElementById("plots").focus({preventScroll: true});
  };
  return section("slowest", "Slowest moments",
    table(`The ${lengthText(length_ns)} with the fewest bytes received by ${service}`,
      [{name: "Begins"}, {name: "Rate", number: true}, {name: "Look"}, {name: "Its packets"}],
      list.map(w => [secondsText(w.start_ns / 1e9, 2), withPrefix(w.bytes * 8e9 / length_ns, "bit/s"),
        h("button", {type: "button", "aria-label": `Show ${secondsText(w.start_ns / 1e9, 2)} in the plots`, click: show(w)}, "Show"),
        h("code", {}, cutCommand(report, w.start_ns, length_ns, service))])));
}

// editcap (of Wireshark) cuts a capture by time.
function cutCommand(report, start_ns, length_ns, service) {
  const stamp = ns => {
    const nanoseconds = BigInt(report.origin_ns) + BigInt(ns);
    return `${nanoseconds / 1000000000n}.${String(nanoseconds % 1000000000n).padStart(9, "0")}`;
  };
  return `editcap -A ${stamp(start_ns)} -B ${stamp(start_ns + length_ns)} captures/${service}.pcap window.pcap`;
}

function distributions(rates) {
  const place = h("div", {});
  const show = () => place.replaceChildren(h("div", {class: "charts"}, kDirections.map(d => rateDistribution(rates, d))), statisticsTable(rates));
  const refresh = rates.refresh.bind(rates);
  rates.refresh = () => {
    refresh();
    show();
  };
  show();
  return section("distributions", "How the rates were spread", h("p", {class: "note"},
    "Share of buckets in the traffic window with at most this rate. A steep curve is a steady rate."), place);
}

function rest(report, rates) {
  return [
    rates ? distributions(rates) : null,
    rates ? slowest(report, rates) : null,
    section("metrics", "Metrics", metrics(report)),
    section("reconciliation", "Do the sources agree?", h("p", {class: "note"},
      "Counters, device statistics, captures and iperf share no code. Each line is an identity that must hold; open one for its terms."), reconciliation(report)),
    section("rtt", "Round-trip times", rtt(report)),
    section("delay", "One-way delay", delay(report)),
    section("flows", "Flows", flows(report)),
    section("captures", "Captures", captureAccounts(report)),
    section("environment", "Environment", environment(report)),
    section("repeat", "Repeat it", repeat(report)),
    h("footer", {}, `trafficlab ${report.run.version || ""}, run ${report.run.run_id}`)].filter(Boolean);
}

function redrawOnPrint(rates) {
  const media = matchMedia("print");
  media.addEventListener("change", () => rates && rates.draw());
  let closed = [];
  addEventListener("beforeprint", () => {
    // On paper nothing unfolds: what is not exact and where it ran are open.
    closed = [...document.querySelectorAll("#reconciliation details[data-verdict]:not([data-verdict=exact]), #environment details:nth-of-type(-n+3)")]
      .filter(element => !element.open);
    for (const element of closed) element.open = true;
  });
  addEventListener("afterprint", () => {
    for (const element of closed) element.open = false;
  });
}

function start() {
  const report = JSON.parse(document.getElementById("report").textContent);
  const page = document.getElementById("page");
  const main = h("main", {id: "main"});
  const {element, rates} = rateSection(report);
  page.replaceChildren(header(report, themeButton(() => rates && rates.draw())), main);
  main.append(headline(report), element);
  if (rates) {
    rates.draw();
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth !== width) rates.resize();  // a phone's address bar changes the height alone
      width = innerWidth;
    });
  }
  redrawOnPrint(rates);
  requestAnimationFrame(() => {
    document.documentElement.dataset.plottedMs = performance.now().toFixed(1);
    main.append(...rest(report, rates));
    requestAnimationFrame(() => {
      document.documentElement.dataset.readyMs = performance.now().toFixed(1);
    });
  });
}

start();
