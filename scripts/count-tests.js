// Adds up vitest's JSON reports: `node scripts/count-tests.js FILE …`. Fails when no test ran.

import { readFileSync } from "node:fs";

const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const sum = (key) => reports.reduce((total, report) => total + report[key], 0);
const [passed, failed, skipped] = ["numPassedTests", "numFailedTests", "numPendingTests"].map(sum);

console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
