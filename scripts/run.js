// Runs a script of this project under the Node.js that the lock file pins, after installing what is
// missing. Plain JavaScript, so that any Node.js >= 18 can start it: `node scripts/run.js FILE [ARG …]`.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pinnedNode = join(root, "node_modules/.bin/node");
const oldestNode = [22, 18]; // the first that runs TypeScript as it is

install();
const [script, ...args] = process.argv.slice(2);
const file = join(root, script);
if (runsTypeScript(process.versions.node)) {
  process.argv = [process.argv[0], file, ...args];
  if (process.env.npm_lifecycle_event) stopWithParent();
  await import(pathToFileURL(file).href);
} else {
  handOver(pinnedNode, [fileURLToPath(import.meta.url), script, ...args]);
}

/** Installs what package-lock.json says, once for each content of it. A broken-off install starts again. */
function install() {
  const stamp = join(root, "node_modules/.installed");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("Installing what package-lock.json lists (once, about a minute) …");
  const npm = spawnSync("npm", ["ci", "--loglevel=error", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (npm.status !== 0) {
    console.error("npm ci failed; the lines above say why. Mend that and run the command again.");
    process.exit(1);
  }
  // npm 9 loses the link to our Node.js as it drops the packages of other platforms, and makes it now.
  if (!existsSync(pinnedNode)) spawnSync("npm", ["rebuild"], { cwd: root, stdio: "ignore" });
  writeFileSync(stamp, wanted);
}

function runsTypeScript(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/** Goes on in a child under another Node.js, as if it were this process: same terminal, signals, exit code. */
function handOver(node, argv) {
  if (!existsSync(node)) {
    console.error(
      `Node.js ${process.versions.node} is too old and no newer one is packaged for this platform;`,
    );
    console.error(`install Node.js 24 or newer.`);
    process.exit(1);
  }
  const child = spawn(node, argv, { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

/**
 * npm waits for what it runs. When npm, or the process that handed over to us, is gone all the same, it
 * was killed: stop in an orderly way, and leave the port free for the next start.
 */
function stopWithParent() {
  const parent = process.ppid;
  if (process.channel) process.once("disconnect", terminate).channel.unref();
  else
    setInterval(() => {
      if (process.ppid !== parent) terminate();
    }, 500).unref();
}

function terminate() {
  process.kill(process.pid, "SIGTERM");
}
