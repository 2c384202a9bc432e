// What a reader can do with the rates, by mouse, touch and keyboard.

function choice(label, id, options, chosen, onChange) {
  return h("div", {class: "segmented", role: "radiogroup", "aria-label": label}, Object.entries(options).map(([key, option]) =>
    h("label", {}, h("input", {type: "radio", name: id, value: key, checked: key === chosen, change: () => onChange(key)}),
      h("span", {}, option.label))));
}

function seriesButton(rates, name, label, mark) {
  const button = h("button", {type: "button", class: "series", "aria-pressed": "true", "data-series": name, click: () => {
    if (rates.hidden.has(name)) rates.hidden.delete(name);
    else rates.hidden.add(name);
    button.setAttribute("aria-pressed", String(!rates.hidden.has(name)));
    rates.refresh();
  }}, h("span", {class: `mark ${mark}`, "aria-hidden": "true"}), label);
  return button;
}

function controls(rates) {
  const action = (label, text, key, run) =>
    h("button", {type: "button", "aria-label": label, title: `${label} (${key})`, click: run}, text);
  const hasIperf = rates.report.iperf.some(track => track.intervals);
  return h("div", {class: "controls"},
    choice("Unit", "unit", kUnits, rates.unit, unit => {
      rates.unit = unit;
      rates.refresh();
    }),
    choice("Layer", "layer", kLayers, rates.layer, layer => {
      rates.layer = layer;
      rates.refresh();
    }),
    h("div", {class: "group", role: "group", "aria-label": "Zoom and pan"},
      action("Zoom in", "+", "+", () => rates.zoom(0.5)),
      action("Zoom out", "−", "−", () => rates.zoom(2)),
      action("Earlier", "←", "left arrow", () => rates.pan(-0.25)),
      action("Later", "→", "right arrow", () => rates.pan(0.25)),
      action("Whole run", "Whole run", "0", () => rates.reset()),
      action("Traffic only", "Traffic", "t", () => showTraffic(rates))),
    h("div", {class: "group", role: "group", "aria-label": "Series"},
      rates.timeline.series.map(series => kDirections.map(d =>
        seriesButton(rates, `${series.name} ${d}`, `${series.name} ${d.toUpperCase()}`, d))),
      hasIperf ? seriesButton(rates, "iperf", "iperf’s intervals", "iperf") : null));
}

function showTraffic(rates) {
  const {start_ns, end_ns} = rates.timeline.window;
  rates.show(start_ns / 1e9, end_ns / 1e9);
}

function listenToKeys(rates, place) {
  const actions = {
    "+": () => rates.zoom(0.5), "=": () => rates.zoom(0.5), "-": () => rates.zoom(2),
    ArrowLeft: () => rates.pan(-0.1), ArrowRight: () => rates.pan(0.1),
    PageUp: () => rates.pan(-0.9), PageDown: () => rates.pan(0.9),
    0: () => rates.reset(), Home: () => rates.reset(), t: () => showTraffic(rates),
  };
  place.addEventListener("keydown", event => {
    const run = actions[event.key];
    if (!run || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    run();
  });
}

// Ctrl + wheel zooms at the pointer, a sideways wheel pans; a plain wheel scrolls the page.
function listenToWheel(rates, place) {
  place.addEventListener("wheel", event => {
    const panel = rates.panels.find(p => p.over.contains(event.target));
    if (!panel) return;
    if (event.ctrlKey) {
      event.preventDefault();
      const at = panel.posToVal(event.clientX - panel.over.getBoundingClientRect().left, "x");
      rates.zoom(event.deltaY > 0 ? 1.25 : 0.8, at);
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      rates.pan(event.deltaX / panel.over.clientWidth);
    }
  }, {passive: false});
}

// One finger pans sideways, two pinch. Vertical scrolling stays with the page (touch-action).
function listenToTouch(rates, place) {
  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.max(Math.abs(a - b), 1);
  };
  place.addEventListener("pointerdown", event => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, event.clientX);
  });
  place.addEventListener("pointermove", event => {
    if (!fingers.has(event.pointerId)) return;
    const width = place.clientWidth;
    const before = fingers.size === 2 ? spread() : 0;
    const moved = event.clientX - fingers.get(event.pointerId);
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 1) rates.pan(-moved / width);
    else if (fingers.size === 2) rates.zoom(before / spread());
  });
  for (const end of ["pointerup", "pointercancel"])
    place.addEventListener(end, event => fingers.delete(event.pointerId));
}

// The values under the cursor, as text below the panels.
function readout(rates) {
  const line = h("p", {class: "readout", id: "readout", "aria-live": "off"});
  const idle = matchMedia("(pointer: coarse)").matches ? "Two fingers zoom, one pans; or use the buttons." : "Drag to zoom · Ctrl + wheel zooms at the pointer · with the plots focused: + − ← → 0 t";
  line.textContent = idle;
  rates.onCursor = time => {
    if (time === null) {
      line.textContent = idle;
      return;
    }
    const i = rates.bucketAt(time);
    const parts = [h("strong", {}, secondsText(rates.times[i], 3))];
    for (const series of rates.timeline.series)
      for (const d of kDirections)
        if (!rates.isHidden(`${series.name} ${d}`))
          parts.push(h("span", {}, h("span", {class: `mark ${d}`}), `${series.name} ${d.toUpperCase()} `,
            h("b", {}, withPrefix(rates.values(series, d)[i], kUnits[rates.unit].label))));
    line.replaceChildren(...parts);
  };
  return line;
}
