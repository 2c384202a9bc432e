// The list of bundles: filter it, open reports, watch what runs.

const kStates = ["all", "pass", "fail", "inconclusive", "running"];

const list = {rows: [], text: "", state: "all", base: new Set(), fresh: new Set()};

function matches(row) {
  const state = row.state === "running" ? "running" : row.verdict;
  if (list.state !== "all" && state !== list.state) return false;
  const text = `${row.name} ${row.verdict} ${row.state} ${row.engine || ""} ${row.traffic || ""} ${row.reason || ""}`.toLowerCase();
  return list.text.toLowerCase().split(/\s+/).every(word => text.includes(word));
}

function pathOf(name, file) {
  return `/bundle/${encodeURIComponent(name)}/${file}`;
}

function link(row) {
  if (row.state === "running") return h("a", {href: `/live/${encodeURIComponent(row.name)}`}, row.name.replace(/\.partial$/, ""));
  if (row.has_report) return h("a", {href: pathOf(row.name, "report.html")}, row.name);
  return row.name;
}

function verdict(row) {
  const word = row.state === "finished" ? row.verdict : row.state;
  return [h("span", {class: `pill ${word}`}, word), row.reason ? h("span", {class: "reason"}, row.reason) : null];
}

// A box that puts the run on one side of a comparison.
function chooser(row, side, label) {
  if (row.state === "running") return "";
  return h("input", {type: "checkbox", "aria-label": `${row.name}: ${label}`, checked: list[side].has(row.name), change: event => {
    if (event.target.checked) list[side].add(row.name);
    else list[side].delete(row.name);
    showButton();
  }});
}

function showButton() {
  const button = document.getElementById("compare");
  button.disabled = list.base.size === 0 || list.fresh.size === 0;
  button.textContent = button.disabled ? "Compare: tick a baseline and a run" : `Compare ${list.fresh.size} with ${list.base.size}`;
}

function openComparison() {
  const query = new URLSearchParams();
  for (const side of ["base", "fresh"]) for (const name of list[side]) query.append(side, name);
  location.href = `/compare?${query}`;
}

function rowCells(row) {
  return [link(row), chooser(row, "base", "baseline"), chooser(row, "fresh", "now"), row.started ? row.started.replace("T", " ").replace(/\.\d+Z$/, " UTC") : "–", verdict(row),
    row.engine || "–", row.traffic || "–", typeof row.goodput_bps === "number" ? withPrefix(row.goodput_bps, "bit/s") : "–"];
}

const kColumns = [{name: "Run"}, {name: "Baseline"}, {name: "Now"}, {name: "Started", word: true}, {name: "Verdict"}, {name: "Engine"}, {name: "Traffic"},
  {name: "Goodput", number: true}];

function show() {
  const rows = list.rows.filter(matches);
  document.getElementById("count").textContent = `${rows.length} of ${list.rows.length} runs`;
  document.getElementById("rows").replaceChildren(rows.length ? table("Runs, the newest first", kColumns, rows.map(rowCells)) :
    h("p", {class: "note"}, list.rows.length ? "No run matches." : "No results yet: ./run_traffic_analysis.sh makes one."));
}

async function load() {
  try {
    const answer = await fetch("/api/bundles");
    if (!answer.ok) throw new Error(`the server said ${answer.status}`);
    list.rows = await answer.json();
    show();
  } catch (error) {
    document.getElementById("count").textContent = `The list could not be read: ${error.message}`;
  }
}

function filters() {
  return h("div", {class: "filters", role: "search"},
    h("input", {type: "search", id: "filter", placeholder: "Filter: words of the name, verdict, traffic", "aria-label": "Filter the runs",
      input: event => {
        list.text = event.target.value.trim();
        show();
      }}),
    h("div", {class: "segmented", role: "radiogroup", "aria-label": "Verdict"}, kStates.map(state =>
      h("label", {}, h("input", {type: "radio", name: "state", value: state, checked: state === list.state, change: () => {
        list.state = state;
        show();
      }}), h("span", {}, state)))),
    h("button", {type: "button", id: "compare", disabled: true, click: openComparison}, "Compare: tick a baseline and a run"));
}

async function start() {
  const main = h("main", {id: "main"}, h("h1", {class: "results"}, "Results"), filters(),
    h("p", {class: "note", id: "count", "aria-live": "polite"}), h("div", {id: "rows"}));
  document.getElementById("page").replaceChildren(
    h("header", {class: "top"}, h("div", {class: "bar"}, h("span", {class: "brand"}, "trafficlab"), themeButton(() => {}))), main);
  await load();
  document.documentElement.dataset.readyMs = performance.now().toFixed(1);
  // Runs come and go while the page is open.
  setInterval(() => document.hidden || load(), 2000);
}

start();
