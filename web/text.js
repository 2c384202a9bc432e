// Numbers as people read them, and elements without any HTML in strings: names come from a bundle
// that somebody else may have made.

const kPrefixes = ["", "k", "M", "G", "T", "P"];

// Three significant digits and a decimal prefix: "13.3 Gbit/s".
function withPrefix(value, unit) {
  if (!Number.isFinite(value)) return "–";
  let step = 0;
  let scaled = Math.abs(value);
  while (scaled >= 999.5 && step < kPrefixes.length - 1) {
    scaled /= 1000;
    step++;
  }
  const digits = scaled === 0 || Number.isInteger(scaled) && step === 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return `${value < 0 ? "−" : ""}${scaled.toFixed(digits)} ${kPrefixes[step]}${unit}`.trim();
}

// The same for the round values of an axis: "500 Mbit/s", "2.5 Gbit/s".
function axisText(value, unit) {
  if (value === 0) return "0";
  const step = Math.max(0, Math.min(kPrefixes.length - 1, Math.floor(Math.log10(Math.abs(value)) / 3 + 1e-9)));
  return `${+(value / 1000 ** step).toPrecision(4)} ${kPrefixes[step]}${unit}`.trim();
}

function exact(value) {
  return Number(value).toLocaleString("en-US").replace(/,/g, "\u202f");
}

// A length of time in ns: "16.3 µs".
function lengthText(ns) {
  if (ns === null || ns === undefined) return "–";
  for (const [size, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]])
    if (Math.abs(ns) >= size) {
      const scaled = ns / size;
      const digits = Number.isInteger(scaled) || Math.abs(scaled) >= 99.95 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2;
      return `${scaled.toFixed(digits)} ${unit}`;
    }
  return `${ns} ns`;
}

function secondsText(seconds, digits) {
  return `${seconds.toFixed(digits)} s`;
}

// h("p", {class: "note"}, "text", element, …); attributes that are functions become listeners.
function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined) element.append(child);
  return element;
}

// A table that scrolls by itself on narrow screens. `columns`: [{name, number, word}];
// a number is set to the right, a word is never broken.
function table(caption, columns, rows) {
  return h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": caption},
    h("table", {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map(c => h("th", {scope: "col", class: c.number ? "number" : null}, c.name)))),
      h("tbody", {}, rows.map(row => h("tr", {}, row.map((cell, i) =>
        h(i === 0 ? "th" : "td", {scope: i === 0 ? "row" : null, class: columns[i].number ? "number" : columns[i].word ? "word" : null}, cell)))))));
}

function section(id, title, ...children) {
  return h("section", {id, "aria-labelledby": `${id}-title`}, h("h2", {id: `${id}-title`}, title), children);
}

function missing(what, reason) {
  return h("p", {class: "missing"}, `${what}: not in this bundle. ${reason}`);
}
