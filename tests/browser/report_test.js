"use strict";
const assert = require("assert");
const {execFileSync} = require("child_process");
const fs = require("fs");
const path = require("path");
const {test, runAll, Skip} = require("./cases.js");
const {kProgram, temporaryFolder, madeBundle, reportOf, launch, open} = require("./page.js");

// The time window that the page says it shows, in seconds.
async function shown(page) {
  const text = await page.textContent("#window");
  const [, from, to] = text.match(/Shown: (-?[\d.]+) s to (-?[\d.]+) s/);
  return [Number(from), Number(to)];
}

// How many pixels of the first panel's canvas have about this colour.
function pixels(page, rgb) {
  return page.evaluate(([r, g, b]) => {
    const shown = document.querySelector(".panel canvas");
    const canvas = new OffscreenCanvas(shown.width, shown.height);
    const context = canvas.getContext("2d");
    context.drawImage(shown, 0, 0);
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4)
      if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24) count++;
    return count;
  }, rgb);
}

// Until what was asked for has been painted.
function drawn(page) {
  return page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
}

const kRx = [0, 114, 178];
const span = ([from, to]) => to - from;

test("a report opens from file:// without complaint or request, at desktop and phone width, dark and light", async (browser, file) => {
  for (const viewport of [{width: 1280, height: 900}, {width: 390, height: 844}])
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(browser, file, {viewport, colorScheme});
      assert.deepStrictEqual(page.complaints, []);
      assert.strictEqual(await page.locator(".panel canvas").count(), 4);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page scrolls sideways");
      await page.context().close();
    }
});

test("the report's numbers are those of the bundle", async (browser, file) => {
  const page = await open(browser, file);
  const counts = await page.evaluate(() => {
    const {timeline} = JSON.parse(document.getElementById("report").textContent);
    const series = timeline.series[0];
    return [...unpackCounts(series.columns.rx_bytes, timeline.buckets)];
  });
  const rows = fs.readFileSync(path.join(file.replace(/\.html$/, ""), "counters/container.csv"), "utf8").trim().split("\n").slice(1)
    .map(line => line.split(",")).filter(row => row[1] === "iperf-server").map(row => Number(row[2]));
  assert.deepStrictEqual(counts, rows);
  await page.context().close();
});

test("dragging zooms every panel, the button shows the whole run again", async (browser, file) => {
  const page = await open(browser, file);
  const whole = await shown(page);
  const box = await page.locator(".panel .u-over").first().boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 70, {steps: 4});
  await page.mouse.up();
  const zoomed = await shown(page);
  assert.ok(Math.abs(span(zoomed) / span(whole) - 0.25) < 0.01, `shows ${zoomed}`);
  const scales = await page.evaluate(() => uPlot.sync("rates").plots.map(p => [p.scales.x.min, p.scales.x.max]));
  assert.strictEqual(scales.length, 4);
  for (const scale of scales) assert.deepStrictEqual(scale, scales[0]);
  await page.getByRole("button", {name: "Whole run"}).click();
  assert.deepStrictEqual(await shown(page), whole);
  await page.context().close();
});

test("the cursor of one panel moves in all, and its values are told as text", async (browser, file) => {
  const page = await open(browser, file);
  const box = await page.locator(".panel .u-over").first().boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 50);
  await page.waitForFunction(() => document.querySelectorAll("#readout b").length === 8);
  const lefts = await page.evaluate(() => uPlot.sync("rates").plots.map(p => Math.round(p.cursor.left)));
  for (const left of lefts) assert.strictEqual(left, lefts[0]);
  assert.match(await page.textContent("#readout"), /iperf-server RX 8\d\d Mbit\/s/);
  await page.context().close();
});

test("a series is switched off and on again", async (browser, file) => {
  const page = await open(browser, file);
  const button = page.getByRole("button", {name: "iperf-server RX"});
  const before = await pixels(page, kRx);
  assert.ok(before > 200, `${before} pixels of RX`);
  await button.click();
  assert.strictEqual(await button.getAttribute("aria-pressed"), "false");
  await drawn(page);
  const without = await pixels(page, kRx);
  assert.ok(without < before / 20, `${without} pixels of RX are left of ${before}`);
  await button.click();
  await drawn(page);
  const again = await pixels(page, kRx);
  assert.ok(Math.abs(again - before) < before / 50, `${again} pixels of RX after ${before}`);
  assert.deepStrictEqual(page.complaints, []);
  await page.context().close();
});

test("units change the axes, the table and the distributions", async (browser, file) => {
  const page = await open(browser, file);
  const median = () => page.locator("#distributions tbody tr").first().locator("td").nth(2).textContent();
  assert.match(await median(), /^8\d\d Mbit\/s$/);
  await page.getByText("B/s", {exact: true}).click();
  assert.match(await median(), /^10\d MB\/s$/);
  await page.getByText("packets/s", {exact: true}).click();
  assert.match(await median(), /^10\d kpackets\/s$/);
  await page.getByText("on the wire").click();
  assert.match(await median(), /^11\d kpackets\/s$/);
  assert.deepStrictEqual(page.complaints, []);
  await page.context().close();
});

test("the plots obey the keyboard alone", async (browser, file) => {
  const page = await open(browser, file);
  const whole = await shown(page);
  for (let i = 0; i < 60 && !await page.evaluate(() => document.activeElement.id === "plots"); i++) await page.keyboard.press("Tab");
  assert.strictEqual(await page.evaluate(() => document.activeElement.id), "plots");
  await page.keyboard.press("+");
  const closer = await shown(page);
  assert.ok(Math.abs(span(closer) / span(whole) - 0.5) < 0.01, `shows ${closer}`);
  await page.keyboard.press("ArrowRight");
  const later = await shown(page);
  assert.ok(later[0] > closer[0] && Math.abs(span(later) - span(closer)) < 0.02, `shows ${later}`);
  await page.keyboard.press("-");
  await page.keyboard.press("t");
  assert.strictEqual((await shown(page))[0], 0);
  await page.keyboard.press("0");
  assert.deepStrictEqual(await shown(page), whole);
  await page.context().close();
});

test("every control has a name, and groups say what they are", async (browser, file) => {
  const page = await open(browser, file);
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, [role=group], [role=radiogroup], [role=img], [role=region]")]
    .filter(e => !(e.getAttribute("aria-label") || e.textContent).trim()).map(e => e.outerHTML.slice(0, 80)));
  assert.deepStrictEqual(nameless, []);
  const sections = await page.evaluate(() => [...document.querySelectorAll("section")].filter(s => !document.getElementById(s.getAttribute("aria-labelledby"))).length);
  assert.strictEqual(sections, 0);
  await page.context().close();
});

test("text has a contrast of at least 4.5 on its page, dark and light", async (browser, file) => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(browser, file, {colorScheme});
    const ratios = await page.evaluate(() => {
      const light = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      const contrast = (a, b) => {
        const [low, high] = [light(color(a)), light(color(b))].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
      };
      return [["text", "page"], ["muted", "page"], ["muted", "card"], ["good", "good-page"], ["bad", "bad-page"], ["unsure", "unsure-page"], ["good", "page"], ["bad", "page"], ["unsure", "page"]]
        .map(([a, b]) => [`${a} on ${b}`, contrast(a, b)]);
    });
    for (const [name, ratio] of ratios) assert.ok(ratio >= 4.5, `${colorScheme}: ${name} has ${ratio.toFixed(2)}`);
    await page.context().close();
  }
});

test("the theme button overrules the system, and the plots follow", async (browser, file) => {
  const page = await open(browser, file, {colorScheme: "light"});
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await page.getByRole("button", {name: "Theme: auto"}).click();
  await page.getByRole("button", {name: "Theme: light"}).click();
  await page.getByRole("button", {name: "Theme: dark"}).waitFor();
  assert.notStrictEqual(await background(), light);
  assert.strictEqual(await page.locator(".panel canvas").count(), 4);
  assert.deepStrictEqual(page.complaints, []);
  await page.context().close();
});

test("printed, a report is light and has its plots and no controls", async (browser, file) => {
  const page = await open(browser, file, {colorScheme: "dark"});
  await page.emulateMedia({media: "print"});
  await drawn(page);
  assert.strictEqual(await page.evaluate(() => color("page")), "#fff");
  assert.ok(await pixels(page, kRx) > 200, "the plot is not drawn again in the colours of paper");
  assert.strictEqual(await page.locator(".controls").isVisible(), false);
  assert.strictEqual(await page.locator(".panel canvas").first().isVisible(), true);
  const pdf = await page.pdf({format: "A4"});
  assert.ok(pdf.length > 50_000, `${pdf.length} bytes of PDF`);
  await page.context().close();
});

test("without scripts the main plot is there", async (browser, file) => {
  const context = await browser.newContext({javaScriptEnabled: false});
  const page = await context.newPage();
  await page.goto(`file://${file}`);
  assert.strictEqual(await page.locator("noscript svg, main svg").first().isVisible(), true);
  await context.close();
});

test("the name of a hostile bundle stays text", async (browser, file, folder) => {
  const bundle = madeBundle(folder, 2, 200);
  const hostile = path.join(folder, "<img src=x onerror=alert(1)>");
  fs.renameSync(bundle, hostile);
  const output = path.join(folder, "hostile.html");
  execFileSync(kProgram, ["report", hostile, "-o", output]);
  const page = await open(browser, output);
  assert.strictEqual(await page.textContent("h1"), "<img src=x onerror=alert(1)>");
  assert.strictEqual(await page.locator("img").count(), 0);
  assert.deepStrictEqual(page.complaints, []);
  await page.context().close();
});

test("an unexplained difference is open, named and coloured, and the verdict says it", async (browser, file, folder) => {
  const page = await open(browser, reportOf(madeBundle(folder, 2, 300, "doubtful")));
  assert.match(await page.textContent("p.verdict"), /inconclusive.*1448 bytes are unexplained/);
  assert.strictEqual(await page.locator("#reconciliation details[open]").count(), 1);
  assert.match(await page.locator("#reconciliation tbody tr").first().textContent(), /1\u202f448.*unexplained/);
  await page.context().close();
});

test("metrics are shown for reading, exact in the tooltip, and a missing one with its reason", async (browser, file) => {
  const page = await open(browser, file);
  const cell = page.locator("#metrics tbody tr").first().locator("td").first();
  assert.strictEqual(await cell.textContent(), "13.3 Gbit/s");
  assert.strictEqual(await cell.locator("span[title]").getAttribute("title"), "13309052768.165743 bit/s");
  assert.match(await page.locator("#metrics").textContent(), /Not measured: no CPU times in the bundle\. cpu_per_gb/);
  await page.context().close();
});

test("a finger pans, two zoom", async (browser, file) => {
  const page = await open(browser, file, {viewport: {width: 390, height: 844}, hasTouch: true, isMobile: true});
  const whole = await shown(page);
  const pinch = distances => page.evaluate(list => {
    const panel = document.querySelector(".panel .u-over");
    const send = (type, pointerId, clientX) => panel.dispatchEvent(new PointerEvent(type, {pointerId, clientX, pointerType: "touch", bubbles: true}));
    send("pointerdown", 1, 200 - list[0] / 2);
    send("pointerdown", 2, 200 + list[0] / 2);
    for (const distance of list.slice(1)) {
      send("pointermove", 1, 200 - distance / 2);
      send("pointermove", 2, 200 + distance / 2);
    }
    send("pointerup", 1, 0);
    send("pointerup", 2, 0);
  }, distances);
  await pinch([40, 80, 160]);
  const zoomed = await shown(page);
  assert.ok(Math.abs(span(zoomed) / span(whole) - 0.25) < 0.01, `shows ${zoomed}`);
  await page.evaluate(() => {
    const panel = document.querySelector(".panel .u-over");
    for (const [type, clientX] of [["pointerdown", 200], ["pointermove", 150], ["pointerup", 150]])
      panel.dispatchEvent(new PointerEvent(type, {pointerId: 1, clientX, pointerType: "touch", bubbles: true}));
  });
  assert.ok((await shown(page))[0] > zoomed[0]);
  await page.context().close();
});

const kEdgeNs = 1000000n;

// How many packets the page's command, with these times, cuts out of the capture.
function packetsBetween(words, bundle, begin, end) {
  const stamp = ns => `${ns / 1000000000n}.${String(ns % 1000000000n).padStart(9, "0")}`;
  const cut = path.join(path.dirname(bundle), "window.pcap");
  execFileSync(words[0], ["-A", stamp(begin), "-B", stamp(end), words[5], cut], {cwd: bundle, stdio: "ignore"});
  return execFileSync("tcpdump", ["-nr", cut], {stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 28}).toString().split("\n").length - 1;
}

test("the page that a real run leaves shows every section, and each slow moment is its packets", async (browser, file, folder) => {
  if (process.getuid() !== 0) throw new Skip("not root: a lab needs network namespaces");
  const results = path.join(folder, "results");
  const bundle = execFileSync(kProgram, ["run", "--engine", "netns", "--duration", "2", "--results", results], {cwd: path.resolve(__dirname, "../.."), stdio: ["ignore", "pipe", "ignore"]})
    .toString().trim().split("\n").at(-1);
  const page = await open(browser, path.join(bundle, "report.html"));
  assert.deepStrictEqual(page.complaints, []);
  for (const id of ["distributions", "slowest", "reconciliation", "rtt", "delay", "flows", "captures", "environment", "repeat"])
    assert.strictEqual(await page.locator(`#${id} .missing`).count(), 0, `#${id} misses something`);
  assert.match(await page.textContent(".tiles"), /Goodput.*bit\/s.*Sources agree/);
  const commands = await page.locator("#slowest code").allTextContents();
  const rows = fs.readFileSync(path.join(bundle, "counters/container.csv"), "utf8").trim().split("\n").slice(1).map(line => line.split(","))
    .filter(row => row[1] === "iperf-server");
  for (const command of commands) {
    const words = command.split(" ");
    const [begin, end] = [words[2], words[4]].map(stamp => BigInt(stamp.replace(".", "")));
    const counted = rows.filter(row => BigInt(row[0]) >= begin && BigInt(row[0]) < end).reduce((sum, row) => sum + Number(row[3]) + Number(row[5]), 0);
    // Capture and counters read the clock one after the other: at an edge they may differ in where a packet belongs.
    const least = packetsBetween(words, bundle, begin + kEdgeNs, end - kEdgeNs);
    const most = packetsBetween(words, bundle, begin - kEdgeNs, end + kEdgeNs);
    assert.ok(least <= counted && counted <= most, `${command}: ${least} <= ${counted} <= ${most}`);
  }
  await page.context().close();
});

test("an hour of 10 ms of 8 series opens, zooms and shows single buckets", async (browser, file, folder) => {
  const page = await open(browser, reportOf(madeBundle(folder, 4, 360_000)));
  assert.deepStrictEqual(page.complaints, []);
  assert.ok(Math.abs(span(await shown(page)) - 3600) < 0.1);
  await page.locator("#plots").focus();
  for (let i = 0; i < 14; i++) await page.keyboard.press("+");
  assert.ok(span(await shown(page)) < 1);
  await page.context().close();
});

(async () => {
  const folder = temporaryFolder();
  const file = reportOf(madeBundle(folder, 4, 6000));
  const browser = await launch();
  const failures = await runAll(browser, file, folder);
  await browser.close();
  process.exitCode = failures ? 1 : 0;
})();
