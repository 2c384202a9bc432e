// A run in progress: the last minute of every container's rates, bucket by bucket.

const kShown_s = 60;

const live = {services: new Map(), first: null, next: 0, step_s: 0.01};

// One panel a container: uPlot wants columns, the x axis in seconds after the first bucket seen.
function makePanel(host, name) {
  const columns = [[], [], []];
  const figure = h("figure", {class: "service"}, h("figcaption", {}, h("strong", {}, name), " ", h("span", {class: "now"})));
  host.append(figure);
  const line = direction => ({label: direction, stroke: () => color(direction), width: 1.5, spanGaps: false});
  const axis = {stroke: () => color("muted"), grid: {stroke: () => color("grid")}, ticks: {show: false}};
  const plot = new uPlot({width: figure.clientWidth || 600, height: 180, legend: {show: false}, cursor: {show: false},
    scales: {x: {time: false}}, axes: [{...axis, values: (_, ticks) => ticks.map(t => `${t} s`)},
      {...axis, size: 86, values: (_, ticks) => ticks.map(t => axisText(t, "bit/s"))}],
    series: [{}, line("rx"), line("tx")]}, columns, figure);
  addEventListener("resize", () => plot.setSize({width: figure.clientWidth, height: 180}));
  return {columns, plot, now: figure.querySelector(".now")};
}

function rate(bytes) {
  return bytes * 8 / live.step_s;
}

function addRates(host, {interval_ns, first, services}) {
  live.step_s = interval_ns / 1e9;
  if (live.first === null) live.first = first;
  for (const [name, {rx_bytes, tx_bytes}] of Object.entries(services)) {
    if (!live.services.has(name)) live.services.set(name, makePanel(host, name));
    const panel = live.services.get(name);
    const [x, rx, tx] = panel.columns;
    const push = (epoch, received, sent) => {
      x.push((epoch - live.first) * live.step_s);
      rx.push(received);
      tx.push(sent);
    };
    if (x.length && first > live.next) push(live.next, null, null);  // a gap is shown as one
    rx_bytes.forEach((bytes, i) => push(first + i, rate(bytes), rate(tx_bytes[i])));
    const surplus = x.length - Math.ceil(kShown_s / live.step_s);
    if (surplus > 0) for (const column of panel.columns) column.splice(0, surplus);
    panel.plot.setData(panel.columns);
    panel.now.textContent = `RX ${withPrefix(rx[rx.length - 1], "bit/s")}, TX ${withPrefix(tx[tx.length - 1], "bit/s")}`;
  }
  live.next = first + Object.values(services)[0].rx_bytes.length;
  document.documentElement.dataset.buckets = live.next - live.first;
}

function start() {
  const name = decodeURIComponent(location.pathname.split("/").pop());
  const state = h("p", {class: "sub", id: "state", "aria-live": "polite"}, "Waiting for the counters …");
  const host = h("div", {class: "plots", role: "group", "aria-label": "Rates of the last minute"});
  document.getElementById("page").replaceChildren(
    h("header", {class: "top"}, h("div", {class: "bar"}, h("a", {class: "brand", href: "/"}, "trafficlab"), themeButton(() => {
      for (const {plot} of live.services.values()) plot.redraw();
    }))),
    h("main", {id: "main"}, h("h1", {}, name.replace(/\.partial$/, "")), state, host));
  const events = new EventSource(`/api/live/${encodeURIComponent(name)}`);
  events.addEventListener("rates", event => {
    addRates(host, JSON.parse(event.data));
    state.textContent = `Live: buckets of ${lengthText(live.step_s * 1e9)}, the last minute.`;
  });
  events.addEventListener("end", event => {
    events.close();
    const {bundle} = JSON.parse(event.data);
    state.replaceChildren(bundle ? h("a", {href: `/bundle/${encodeURIComponent(bundle)}/report.html`}, "The run has ended: its report")
      : "The run has ended without a bundle.");
    document.documentElement.dataset.ended = bundle || "none";
  });
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) state.textContent = "The server has closed the connection.";
  };
}

start();
