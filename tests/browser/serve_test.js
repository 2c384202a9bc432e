"use strict";
// The web server's pages in Chromium, from a real server over made bundles and over a lab that runs.
const assert = require("assert");
const {spawn} = require("child_process");
const fs = require("fs");
const path = require("path");
const {test, runAll, Skip} = require("./cases.js");
const {kProgram, temporaryFolder, madeBundle, launch} = require("./page.js");

// A server over `results`: resolves to its address once it listens.
function serve(results) {
  const server = spawn(kProgram, ["serve", results, "--listen", "127.0.0.1:0"], {stdio: ["ignore", "ignore", "pipe"]});
  return new Promise((resolve, reject) => {
    let text = "";
    server.stderr.on("data", bytes => {
      text += bytes;
      const found = text.match(/(http:\/\/127\.0\.0\.1:\d+)\//);
      if (found) resolve({server, url: found[1]});
    });
    server.on("exit", code => reject(new Error(`the server ended with ${code}: ${text}`)));
  });
}

// A page of the server; complaints are console output, errors and requests to anywhere else.
async function visit(browser, url, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", message => page.complaints.push(`console: ${message.text()}`));
  page.on("pageerror", error => page.complaints.push(`error: ${error.message}`));
  page.on("request", request => {
    if (new URL(request.url()).origin !== new URL(url).origin && !request.url().startsWith("data:")) page.complaints.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

async function listed(browser, url, options) {
  const page = await visit(browser, url, options);
  await page.waitForSelector("html[data-ready-ms]");
  return page;
}

const names = page => page.locator("tbody th").allTextContents();

test("the list shows every run, at desktop and phone width", async (browser, url) => {
  for (const viewport of [{width: 1280, height: 900}, {width: 390, height: 844}]) {
    const page = await listed(browser, url, {viewport});
    assert.deepStrictEqual(await names(page), ["made-4-600", "made-2-100-doubtful", "made-2-100"]);
    assert.strictEqual(await page.textContent("#count"), "3 of 3 runs");
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page scrolls sideways");
    assert.deepStrictEqual(page.complaints, []);
    await page.context().close();
  }
});

test("words and verdicts filter the list, by keyboard too", async (browser, url) => {
  const page = await listed(browser, url);
  await page.locator("#filter").focus();
  await page.keyboard.type("600 pass");
  assert.deepStrictEqual(await names(page), ["made-4-600"]);
  await page.locator("#filter").fill("");
  await page.getByText("inconclusive", {exact: true}).first().click();
  assert.deepStrictEqual(await names(page), ["made-2-100-doubtful"]);
  assert.match(await page.textContent("tbody"), /1448 bytes are unexplained/);
  await page.getByText("fail", {exact: true}).click();
  assert.match(await page.textContent("#rows"), /No run matches/);
  assert.deepStrictEqual(page.complaints, []);
  await page.context().close();
});

test("a report opens from the list and draws inside its sandbox", async (browser, url) => {
  const page = await listed(browser, url);
  await page.getByRole("link", {name: "made-4-600"}).click();
  await page.waitForSelector("html[data-ready-ms]");
  assert.strictEqual(await page.locator(".panel canvas").count(), 4);
  assert.strictEqual(await page.evaluate(() => window.origin), "null");  // a page in a bundle is not of this server
  const reached = await page.evaluate(() => fetch("/api/bundles").then(() => true, () => false));
  assert.strictEqual(reached, false);
  await page.context().close();
});

test("two runs ticked in the list are compared: verdict, metrics, rates over each other", async (browser, url) => {
  const page = await listed(browser, url);
  const button = page.locator("#compare");
  assert.ok(await button.isDisabled());
  await page.getByLabel("made-2-100: baseline").check();
  await page.getByLabel("made-4-600: now").check();
  await button.click();
  await page.waitForSelector("html[data-ready-ms]");
  assert.match(await page.textContent(".verdict"), /inconclusive/);  // one run a side shows nothing
  assert.ok(await page.locator("#metrics tbody tr").count() >= 1);
  await page.waitForSelector("html[data-plotted='2']");
  assert.strictEqual(await page.locator("#rates canvas").count(), 1);
  assert.deepStrictEqual(page.complaints, []);
  await page.goto(`${url}/compare?base=made-2-100&fresh=..%2F..`);
  await page.waitForSelector("html[data-ready-ms]");
  assert.match(await page.textContent("main"), /is no bundle with metrics here/);
  await page.context().close();
});

test("a run is watched live: every bucket it shows is one of the bundle, and its report follows", async (browser, url, results) => {
  if (process.getuid() !== 0) throw new Skip("not root");
  const run = spawn(kProgram, ["run", "--engine", "netns", "--duration", "6", "--results", results, "--name", "watched"],
    {cwd: path.resolve(__dirname, "../.."), stdio: "ignore"});
  const ended = new Promise(resolve => run.on("exit", resolve));
  const page = await listed(browser, url);
  await page.getByRole("link", {name: /watched/}).click({timeout: 20_000});
  const bundleName = await (await page.waitForSelector("html[data-ended]", {timeout: 30_000})).getAttribute("data-ended");
  assert.strictEqual(await ended, 0);
  const bundle = path.join(results, bundleName);
  const rows = fs.readFileSync(path.join(bundle, "counters/container.csv"), "utf8").trim().split("\n").slice(1).map(line => line.split(","));
  const counted = rows.filter(row => row[1] === "iperf-server").map(row => Number(row[2]));
  const seen = await page.evaluate(() => live.services.get("iperf-server").columns[1].map(rate => rate === null ? null : Math.round(rate * live.step_s / 8)));
  assert.ok(seen.length >= 100, `${seen.length} buckets seen`);
  // Each stretch between gaps is found in the file, in order.
  let from = 0;
  for (const stretch of seen.join(",").split(/,,/).map(text => text.split(",").filter(Boolean).map(Number))) {
    while (from + stretch.length <= counted.length && !stretch.every((bytes, i) => counted[from + i] === bytes)) from++;
    assert.ok(from + stretch.length <= counted.length, `a stretch of ${stretch.length} buckets is not in the bundle`);
    from += stretch.length;
  }
  const row = (await (await fetch(`${url}/api/bundles`)).json()).find(one => one.name === bundleName);
  assert.deepStrictEqual([row.verdict, row.reason, row.engine, row.traffic, row.has_report], ["pass", "", "netns", "TCP, 6s", true]);
  assert.ok(row.goodput_bps > 0 && row.started.startsWith("20"));
  await page.getByRole("link", {name: "The run has ended: its report"}).click();
  await page.waitForSelector("html[data-ready-ms]");
  await page.context().close();
});

(async () => {
  const results = temporaryFolder();
  madeBundle(results, 2, 100);
  madeBundle(results, 2, 100, "doubtful");
  const long = madeBundle(results, 4, 600);
  for (const bundle of fs.readdirSync(results))
    fs.writeFileSync(path.join(results, bundle, "report.html"), require("child_process").execFileSync(kProgram, ["report", path.join(results, bundle), "-o", "-"]));
  assert.ok(fs.existsSync(path.join(long, "report.html")));
  const {server, url} = await serve(results);
  const browser = await launch();
  const failures = await runAll(browser, url, results);
  await browser.close();
  server.removeAllListeners("exit");
  server.kill("SIGTERM");
  process.exitCode = failures ? 1 : 0;
})();
