// The rates of every service over time: one panel a service on one time axis, one scale and one
// cursor. All state is in one Rates object; controls.js changes it.

const kDirections = ["rx", "tx"];

class Rates {
  constructor(report, host) {
    this.report = report;
    this.timeline = report.timeline;
    this.host = host;
    this.unit = "bits";
    this.layer = "skb";
    this.hidden = new Set();  // "service rx", …, and "iperf"
    this.cache = new Map();
    this.panels = [];
    this.onCursor = () => {};
    this.onWindow = () => {};
    const t = this.timeline;
    this.step = t.interval_ns / 1e9;
    this.times = new Float64Array(t.buckets);
    for (let i = 0; i < t.buckets; i++) this.times[i] = (t.first_ns + i * t.interval_ns) / 1e9;
    this.full = [this.times[0], this.times[t.buckets - 1] + this.step];
    this.window = this.full;
  }

  // Rates of one series in the unit that is shown; unpacked when first asked for.
  values(series, direction) {
    const name = columnName(direction, this.unit, this.layer);
    const key = `${series.name} ${name} ${this.unit}`;
    if (!this.cache.has(key)) {
      const counts = unpackCounts(series.columns[name], this.timeline.buckets);
      const factor = rateFactor(this.unit, this.timeline.interval_ns);
      for (let i = 0; i < counts.length; i++) counts[i] *= factor;
      this.cache.set(key, counts);
    }
    return this.cache.get(key);
  }

  isHidden(name) {
    return this.hidden.has(name);
  }

  iperfOf(service) {
    if (this.unit === "packets" || this.isHidden("iperf")) return null;
    return this.report.iperf.find(track => track.service === service && track.intervals) || null;
  }

  // The bucket that a time lies in.
  bucketAt(time) {
    const i = Math.floor((time - this.full[0]) / this.step + 1e-6);
    return Math.max(0, Math.min(this.timeline.buckets - 1, i));
  }

  // One scale for all panels, so that heights can be compared by eye.
  largestShown() {
    const begin = this.bucketAt(this.window[0]);
    const end = this.bucketAt(this.window[1]);
    let largest = 0;
    for (const series of this.timeline.series)
      for (const direction of kDirections) {
        if (this.isHidden(`${series.name} ${direction}`)) continue;
        const values = this.values(series, direction);
        for (let i = begin; i <= end; i++) if (values[i] > largest) largest = values[i];
      }
    return largest > 0 ? largest * 1.06 : 1;
  }

  draw() {
    const before = this.window;
    for (const panel of this.panels) panel.destroy();
    this.host.replaceChildren();
    this.top = this.largestShown();
    const sync = uPlot.sync("rates");
    this.panels = this.timeline.series.map((series, index) => {
      const place = h("div", {class: "panel"});
      this.host.append(h("figure", {class: "service"},
        h("figcaption", {}, h("strong", {}, series.name), series.name === this.timeline.receiver ? " · receives the test" : ""), place));
      const isLast = index === this.timeline.series.length - 1;
      return new uPlot(panelOptions(this, series, place.clientWidth, isLast, sync), this.dataOf(series), place);
    });
    this.show(before[0], before[1]);
  }

  dataOf(series) {
    return [this.times, ...kDirections.map(d => this.values(series, d))];
  }

  // New unit, layer or visibility: same plots, other data.
  refresh() {
    this.top = this.largestShown();
    this.panels.forEach((panel, i) => {
      const series = this.timeline.series[i];
      kDirections.forEach((d, k) => {
        panel.series[k + 1].show = !this.isHidden(`${series.name} ${d}`);
      });
      panel.setData(this.dataOf(series), false);
      panel.setScale("x", {min: this.window[0], max: this.window[1]});
    });
  }

  // Shows [begin, end) seconds, kept inside what was counted and at least four buckets wide.
  show(begin, end) {
    const least = 4 * this.step;
    const width = Math.min(Math.max(end - begin, least), this.full[1] - this.full[0]);
    const middle = (begin + end) / 2;
    let from = end - begin < least ? middle - width / 2 : begin;
    from = Math.min(Math.max(from, this.full[0]), this.full[1] - width);
    this.window = [from, from + width];
    this.top = this.largestShown();
    for (const panel of this.panels) {
      for (const series of panel.series) series.alpha = isDense(this) ? 0.32 : 1;
      panel.setScale("x", {min: from, max: from + width});
    }
    this.onWindow(this.window);
  }

  zoom(factor, at) {
    const [begin, end] = this.window;
    const center = at === undefined ? (begin + end) / 2 : at;
    this.show(center - (center - begin) * factor, center + (end - center) * factor);
  }

  pan(share) {
    const by = (this.window[1] - this.window[0]) * share;
    this.show(this.window[0] + by, this.window[1] + by);
  }

  reset() {
    this.show(this.full[0], this.full[1]);
  }

  resize() {
    for (const panel of this.panels)
      panel.setSize({width: panel.root.parentElement.clientWidth, height: panelHeight(panel.isLastPanel)});
  }
}
