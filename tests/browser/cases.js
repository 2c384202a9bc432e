"use strict";
// A small runner: one case a behaviour; each outcome is a line in the file that TL_RESULTS names, as the C++ suites write
// them: status, seconds, name, reason.
const fs = require("fs");

const cases = [];

function test(name, run) {
  cases.push({name, run});
}

function record(status, seconds, name, reason) {
  console.log(`[${status.padEnd(7)}] ${name} (${seconds.toFixed(2)} s)${reason ? `: ${reason}` : ""}`);
  if (process.env.TL_RESULTS)
    fs.appendFileSync(process.env.TL_RESULTS, `${status}\t${seconds.toFixed(2)}\t${name}\t${reason.replace(/\s+/g, " ")}\n`);
}

// Thrown by a case that this machine cannot run; the reason is counted and printed.
class Skip extends Error {}

async function runAll(...context) {
  let failures = 0;
  for (const {name, run} of cases) {
    const begin = process.hrtime.bigint();
    let status = "passed";
    let reason = "";
    try {
      await run(...context);
    } catch (error) {
      status = error instanceof Skip ? "skipped" : "failed";
      reason = String(error && error.message || error);
      if (status === "failed") failures++;
    }
    record(status, Number(process.hrtime.bigint() - begin) / 1e9, name, reason);
  }
  return failures;
}

module.exports = {test, runAll, Skip};
