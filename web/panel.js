// One panel of the rates: how uPlot is told to draw it, and what is drawn over and under its lines.

function panelHeight(isLast) {
  return (innerWidth < 600 ? 150 : 190) + (isLast ? 30 : 8);
}

// Buckets as steps while each has a pixel; beyond that uPlot's line, which keeps the smallest and
// the largest value of every pixel column.
function stepsOrLine() {
  const steps = uPlot.paths.stepped({align: 1});
  const line = uPlot.paths.linear();
  return (u, index, begin, end) => (end - begin < u.bbox.width ? steps : line)(u, index, begin, end);
}

function panelOptions(rates, series, width, isLast, sync) {
  const font = "12px system-ui, sans-serif";
  const axis = {stroke: color("muted"), font, grid: {stroke: color("grid"), width: 1}, ticks: {show: false}};
  const line = (label, name) => ({
    label, scale: "y", stroke: color(name), width: 1.25, points: {show: false}, paths: stepsOrLine(),
    show: !rates.isHidden(`${series.name} ${label.toLowerCase()}`),
  });
  return {
    width,
    height: panelHeight(isLast),
    padding: [6, 16, isLast ? 0 : 2, 0],
    legend: {show: false},
    cursor: {
      sync: {key: sync.key, setSeries: false, scales: ["x", null]},
      drag: {x: true, y: false, setScale: false},
      points: {size: 6},
    },
    scales: {x: {time: false}, y: {range: () => [0, rates.top]}},
    axes: [
      {...axis, size: isLast ? 30 : 6, values: (u, ticks) => ticks.map(v => isLast ? `${+v.toFixed(6)} s` : "")},
      {...axis, size: 76, values: (u, ticks) => ticks.map(v => axisText(v, kUnits[rates.unit].label))},
    ],
    series: [{}, line("RX", "rx"), line("TX", "tx")],
    hooks: {
      init: [u => {
        u.isLastPanel = isLast;
        u.over.setAttribute("aria-hidden", "true");  // the figure around it speaks
      }],
      drawAxes: [u => drawUnder(u, rates, series)],
      draw: [u => drawOver(u, rates, series)],
      setCursor: [u => {
        if (u.cursor.event || u.cursor.left >= 0) rates.onCursor(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null);
      }],
      setSelect: [u => {
        if (u.select.width > 4) rates.show(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
        u.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
      }],
    },
  };
}

function clipped(u, draw) {
  const {left, top, width, height} = u.bbox;
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(left, top, width, height);
  u.ctx.clip();
  draw(u.ctx, value => u.valToPos(value, "x", true), value => u.valToPos(value, "y", true));
  u.ctx.restore();
}

// Outside the traffic window is shaded, stalls are marked, phases have a line and a name.
function drawUnder(u, rates, series) {
  const {timeline, phases} = rates.report;
  const {left, top, width, height} = u.bbox;
  clipped(u, (ctx, x) => {
    ctx.fillStyle = color("outside");
    const begin = x(timeline.window.start_ns / 1e9);
    const end = x(timeline.window.end_ns / 1e9);
    ctx.fillRect(left, top, begin - left, height);
    ctx.fillRect(end, top, left + width - end, height);
    if (series.name === timeline.stalls.service) {
      ctx.fillStyle = color("stall");
      for (const stall of timeline.stalls.list) {
        const from = x(stall.start_ns / 1e9);
        ctx.fillRect(from, top, Math.max(x((stall.start_ns + stall.length_ns) / 1e9) - from, 2), height);
      }
    }
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    let free = left;  // where the next name may begin: names of phases close together would overlap
    for (const phase of phases) {
      const at = x(phase.start_ns / 1e9);
      if (at < left || at > left + width) continue;
      ctx.strokeStyle = ctx.fillStyle = color("muted");
      ctx.beginPath();
      ctx.moveTo(at, top);
      ctx.lineTo(at, top + height);
      ctx.stroke();
      const gap = 4 * devicePixelRatio;
      const end = at + gap + ctx.measureText(phase.name).width;
      if (at < free || end > left + width) continue;
      ctx.fillText(phase.name, at + gap, top + gap);
      free = end + gap;
    }
  });
}

// More than this many buckets a pixel: single ones cannot be seen, so their range fades into a band and
// their mean is drawn.
const kDense = 2;

function isDense(rates) {
  return (rates.window[1] - rates.window[0]) / rates.step > kDense * rates.host.clientWidth;
}

// The mean of the buckets of every pixel column.
function drawMeans(u, rates, direction, values) {
  clipped(u, (ctx, x, y) => {
    const columns = Math.round(u.bbox.width / devicePixelRatio);
    const begin = rates.window[0];
    const width = (rates.window[1] - begin) / columns;
    ctx.strokeStyle = color(direction);
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.lineJoin = "round";
    ctx.beginPath();
    for (let k = 0; k < columns; k++) {
      const from = rates.bucketAt(begin + k * width);
      const to = Math.max(rates.bucketAt(begin + (k + 1) * width), from + 1);
      let sum = 0;
      for (let i = from; i < to; i++) sum += values[i];
      const at = x(begin + (k + 0.5) * width);
      if (k === 0) ctx.moveTo(at, y(sum / (to - from)));
      else ctx.lineTo(at, y(sum / (to - from)));
    }
    ctx.stroke();
  });
}

// iperf's own intervals as level lines over the kernel's rates, its retransmits as triangles.
function drawOver(u, rates, series) {
  kDirections.forEach((direction, i) => {
    if (u.series[i + 1].show && isDense(rates)) drawMeans(u, rates, direction, u.data[i + 1]);
  });
  const track = rates.iperfOf(series.name);
  if (!track) return;
  const zero = track.zero_ns / 1e9;
  const factor = kUnits[rates.unit].factor;
  const {top, height} = u.bbox;
  clipped(u, (ctx, x, y) => {
    const narrowest_px = x(track.intervals[0][1] / 1e6) - x(0);
    const width = (narrowest_px > 4 * devicePixelRatio ? 2.25 : 1.25) * devicePixelRatio;
    ctx.beginPath();
    let isFirst = true;
    for (const [start, end, bytes] of track.intervals) {
      if (end <= start) continue;
      const height_px = y(bytes * factor * 1e6 / (end - start));
      const from = x(zero + start / 1e6);
      if (isFirst) ctx.moveTo(from, height_px);
      else ctx.lineTo(from, height_px);
      ctx.lineTo(x(zero + end / 1e6), height_px);
      isFirst = false;
    }
    for (const [name, more] of [["card", 2.5 * devicePixelRatio], ["iperf", 0]]) {  // a halo, then the line
      ctx.strokeStyle = color(name);
      ctx.lineWidth = width + more;
      ctx.stroke();
    }
    ctx.fillStyle = color("iperf");
    const size = 4 * devicePixelRatio;
    for (const [start, end, , retransmits] of track.intervals) {
      if (!retransmits) continue;
      const at = x(zero + (start + end) / 2e6);
      ctx.beginPath();
      ctx.moveTo(at - size, top + height);
      ctx.lineTo(at + size, top + height);
      ctx.lineTo(at, top + height - 1.8 * size);
      ctx.fill();
    }
  });
}
