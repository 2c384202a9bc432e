"use strict";
// How fast report pages open, in Debian's Chromium: from navigation until the plots are drawn and until the whole page is
// there; and how long one zoom step takes, to the next painted frame. Seven fresh browsers each; median and worst.
// Usage: node bench/report/open.js        (build/release with made_bundle; scripts/setup.sh test)
const fs = require("fs");
const path = require("path");
const {temporaryFolder, madeBundle, reportOf, launch, open} = require("../../tests/browser/page.js");

const kRounds = 7;
const kSizes = [
  {name: "60 s × 8 series", services: 4, buckets: 6000, limit_ms: 1000},
  {name: "1 h × 8 series (360,000 × 8)", services: 4, buckets: 360000, limit_ms: 3000},
];

// From a key to the frame that shows its effect.
function zoomStep(page) {
  return page.evaluate(() => new Promise(done => {
    const begin = performance.now();
    document.getElementById("plots").dispatchEvent(new KeyboardEvent("keydown", {key: "+", bubbles: true}));
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begin)));
  }));
}

const median = values => values.slice().sort((a, b) => a - b)[Math.floor(values.length / 2)];
const text = values => `${median(values).toFixed(0)} (worst ${Math.max(...values).toFixed(0)})`;

(async () => {
  const folder = temporaryFolder();
  console.log("| page | size | plots drawn, ms | whole page, ms | zoom step, ms | limit, ms |\n|---|---:|---:|---:|---:|---:|");
  for (const size of kSizes) {
    const file = reportOf(madeBundle(folder, size.services, size.buckets));
    const plotted = [];
    const ready = [];
    const zoom = [];
    for (let i = 0; i < kRounds; i++) {
      const browser = await launch();
      const page = await open(browser, file);
      const times = await page.evaluate(() => ({...document.documentElement.dataset}));
      plotted.push(Number(times.plottedMs));
      ready.push(Number(times.readyMs));
      zoom.push(await zoomStep(page));
      await browser.close();
    }
    console.log(`| ${size.name} | ${(fs.statSync(file).size / 1e6).toFixed(2)} MB | ${text(plotted)} | ${text(ready)} | ${text(zoom)} | ${size.limit_ms} |`);
  }
})();
