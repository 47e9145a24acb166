import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Runs a server that the product is compared with, in a process of its own, while its port is used. */
export async function withReference<T>(
  name: "bare" | "one-transaction",
  databaseUrl: string,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const program = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const child = fork(program, { env: { ...process.env, BENCH_DATABASE_URL: databaseUrl } });
  try {
    const [port] = (await once(child, "message")) as [number];
    return await use(port);
  } finally {
    child.kill();
    await once(child, "exit");
  }
}
