"use strict";
// Report pages in Debian's Chromium: made from a bundle by the program, opened from file://, every complaint kept.
const {execFileSync} = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");
const {chromium} = require("playwright-core");

const kBuild = path.resolve(__dirname, "../../build/release");
const kProgram = path.join(kBuild, "trafficlab");

// A folder that goes with the process, whatever happens.
function temporaryFolder() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tl-browser-"));
  process.on("exit", () => fs.rmSync(folder, {recursive: true, force: true}));
  return folder;
}

function madeBundle(folder, services, buckets, ...more) {
  const bundle = path.join(folder, ["made", services, buckets, ...more].join("-"));
  fs.mkdirSync(bundle);
  execFileSync(path.join(kBuild, "tests", "made_bundle"), [bundle, String(services), String(buckets), ...more]);
  return bundle;
}

function reportOf(bundle) {
  const file = `${bundle}.html`;
  execFileSync(kProgram, ["report", bundle, "-o", file]);
  return file;
}

function launch() {
  return chromium.launch({executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"]});
}

// Opens a page and waits until it says that everything is drawn. `complaints` collects console output, errors and
// every request but the page's own.
async function open(browser, file, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", message => page.complaints.push(`console: ${message.text()}`));
  page.on("pageerror", error => page.complaints.push(`error: ${error.message}`));
  page.on("request", request => {
    if (request.url() !== `file://${file}` && !request.url().startsWith("data:")) page.complaints.push(`request: ${request.url()}`);
  });
  await page.goto(`file://${file}`);
  await page.waitForSelector("html[data-ready-ms]");
  return page;
}

module.exports = {kProgram, temporaryFolder, madeBundle, reportOf, launch, open};
