import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * Holds idle connections, as a process of its own: the files that it has open are not its parent's. It says when they are
 * open, and ends with its input.
 */
export async function holdIdle(port: number, count: number): Promise<{ release(): Promise<void> }> {
  const self = fileURLToPath(import.meta.url);
  const holder = spawn(process.execPath, [self, String(port), String(count)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: holder.stdout }))
    if (line === "open")
      return {
        async release() {
          holder.stdin.end();
          await once(holder, "exit");
        },
      };
  throw new Error("the connections didn't open");
}

const step = 200;

async function main(port: number, count: number): Promise<void> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(step, count - sockets.length) }, () =>
      connect(port, "127.0.0.1").on("error", () => {}),
    );
    await Promise.all(some.map(async (socket) => await once(socket, "connect")));
    // Half of them never say anything; the others have been answered once, and stay.
    for (const [at, socket] of some.entries())
      if (at % 2 === 0) socket.resume().write("GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n");
    sockets.push(...some);
  }
  console.log("open");
  process.stdin.resume().once("end", () => process.exit());
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await main(Number(process.argv[2]), Number(process.argv[3]));
