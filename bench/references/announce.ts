import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";

/** Listens on a free port, and says so to the process that started this one. */
export async function announce(app: FastifyInstance): Promise<void> {
  process.once("disconnect", () => process.exit());
  await app.listen({ port: 0, host: "127.0.0.1" });
  process.send!((app.server.address() as AddressInfo).port);
}
