import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { waitUntil } from "./wait-until.ts";

const site = readFileSync(new URL("../../../deploy/nginx.conf", import.meta.url), "utf8");
// Debian has it where only root looks.
const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` };
const programs = [
  ["nginx", "-v"],
  ["openssl", "version"],
] as const;

/** Whether this machine has an nginx to try things on. */
export const hasNginx = programs.every(
  ([program, ask]) => !spawnSync(program, [ask], { env }).error,
);

export interface TestNginx {
  readonly http: number;
  readonly https: number;
  stop(): Promise<void>;
}

/** Starts nginx with the site of the repository, before what listens on a port of this machine. */
export async function startNginx(backend: number): Promise<TestNginx> {
  const directory = await mkdtemp(join(tmpdir(), "ents-nginx-"));
  const [http, https] = [await freePort(), await freePort()];
  certify(directory);
  await writeFile(join(directory, "site.conf"), adapt({ directory, backend, http, https }));
  await writeFile(join(directory, "nginx.conf"), around(directory));
  const child = spawn("nginx", ["-p", directory, "-c", "nginx.conf", "-e", "error.log"], {
    stdio: "ignore",
    env,
  });
  await waitUntil(async () => child.exitCode !== null || (await listens(http)));
  if (child.exitCode !== null)
    throw new Error(await readFile(join(directory, "error.log"), "utf8"));
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
    await rm(directory, { recursive: true });
  };
  return { http, https, stop };
}

/** The site on other ports, with a certificate of its own: what whoever installs it changes, and no more. */
function adapt(to: Readonly<Record<"directory" | "backend" | "http" | "https", string | number>>) {
  return site
    .replaceAll(/^ *listen \[::\].*\n/gm, "")
    .replace("listen 80 ", `listen 127.0.0.1:${to.http} `)
    .replace("listen 443 ", `listen 127.0.0.1:${to.https} `)
    .replace("127.0.0.1:8000", `127.0.0.1:${to.backend}`)
    .replaceAll("/etc/letsencrypt/live/ents.example.org", String(to.directory));
}

/** As much of Debian's nginx.conf as bears on answers. */
function around(directory: string): string {
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return [
    "user root; daemon off; pid nginx.pid; error_log error.log;",
    "events {}",
    "http {",
    ...places.map((place) => `${place}_temp_path ${directory}/${place};`),
    "sendfile on; tcp_nopush on; gzip on; access_log off; default_type application/octet-stream;",
    "include site.conf;",
    "}",
  ].join("\n");
}

function certify(directory: string): void {
  const files = ["-keyout", "privkey.pem", "-out", "fullchain.pem"];
  const options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ents.example.org"];
  execFileSync("openssl", ["req", ...options, ...files], { cwd: directory, stdio: "ignore" });
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
