#!/usr/bin/env node
// Plain JavaScript, so that an old Node.js can say what it needs instead of failing on a type annotation.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);
const pinned = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));

if (major > 22 || (major === 22 && minor >= 18)) {
  // A third of what a short command takes is compiling. Beside the code, where only its owner writes: who may write there
  // may change the code itself. Where nobody may, nothing is kept.
  module.enableCompileCache(
    fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url)),
  );
  await import("../src/cli/main.ts");
} else if (existsSync(pinned)) {
  const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  child.on("exit", (code) => process.exit(code ?? 1));
} else {
  console.error(`ents-backend needs Node.js 22.18 or newer; this is ${process.versions.node}.`);
  console.error("Run `npm install` in the checkout: it brings a newer Node.js along.");
  process.exit(1);
}
