// What an upload costs that has a transaction to itself: begin, find the cell, insert the readings, commit. It does
// less than the product: no power, no rollups, no conflicts, no quarantine.

import { fastify } from "fastify";
import { Pool } from "pg";
import { codecs } from "../../server/src/ingest/codecs/codecs.ts";
import type { Measurement } from "../../server/src/ingest/uplink.ts";
import { announce } from "./announce.ts";

const pool = new Pool({ connectionString: process.env["BENCH_DATABASE_URL"], max: 20 });
const insert = `
  insert into reading (sensor_id, ts, value, received_at, logger_id)
  select sensor.id, to_timestamp(input.ts), input.value, now(), 1
  from unnest($2::text[], $3::float8[], $4::float8[]) as input (name, ts, value)
  join sensor on sensor.cell_id = $1 and sensor.name = input.name
  on conflict (sensor_id, ts) do nothing`;

const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.post("/api/sensor/", async (request, reply) => {
  const decoded = codecs["measurement/v2"](request.body as Buffer);
  if ("measurements" in decoded) await store(decoded.measurements);
  return reply.send();
});
await announce(app);

async function store(measurements: readonly Measurement[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    const { cell } = measurements[0]!;
    const found = await client.query<{ id: number }>({
      name: "cell",
      text: "select id from cell where id = $1",
      values: ["id" in cell ? cell.id : 0],
    });
    const rows = measurements.flatMap(({ ts, values }) =>
      values.map(({ stream, value }) => ({ name: stream.name, ts, value })),
    );
    const columns = [rows.map((r) => r.name), rows.map((r) => r.ts), rows.map((r) => r.value)];
    await client.query({ name: "insert", text: insert, values: [found.rows[0]!.id, ...columns] });
    await client.query("commit");
  } finally {
    client.release();
  }
}
