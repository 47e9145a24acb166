import { describe, expect, it } from "vitest";
import { connect } from "../../src/db/connect.ts";
import { openMetrics } from "../../src/metrics.ts";
import { buildServer } from "../../src/resources/server.ts";
import { testDeps, useApi } from "../support/api.ts";
import { openJournal, useDirectories } from "../support/journal.ts";
import { silentLog } from "../support/log.ts";

const token = "a token of sixteen characters".replaceAll(" ", "-");
const newDirectory = useDirectories();
const api = useApi();
const metrics = openMetrics();
const counted = useApi(undefined, () => ({ metrics }));
const opened = useApi(undefined, ({ settings }) => ({
  settings: { ...settings, metricsToken: token },
}));
const proxied = useApi(undefined, ({ settings }) => ({
  settings: { ...settings, trustProxy: "loopback" },
}));

describe("GET /metrics", () => {
  it("has every series of the write path from the start, and whether the database is up", async () => {
    const { statusCode, headers, body } = await api.get("/metrics");
    expect([statusCode, headers["content-type"]]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ]);
    expect(samplesOf(body).filter((line) => !line.includes("_bucket"))).toEqual([
      'ents_readings_total{result="stored"} 0',
      'ents_readings_total{result="repeated"} 0',
      'ents_readings_total{result="conflicting"} 0',
      "ents_commit_seconds_sum 0",
      "ents_commit_seconds_count 0",
      "ents_commit_uploads_sum 0",
      "ents_commit_uploads_count 0",
      "ents_upload_queue 0",
      "ents_journal_uploads 0",
      "ents_journal_bytes 0",
      "ents_journal_appended_total 0",
      "ents_journal_applied_total 0",
      "ents_journal_unkept_total 0",
      "ents_journal_writable 1",
      "ents_journal_aside_bytes 0",
      "ents_quarantine_uploads 0",
      "ents_quarantine_bytes 0",
      "ents_quarantine_evicted_total 0",
      "ents_queue_up 1",
      "ents_http_requests_in_flight 1",
      "ents_live_connections 0",
      "ents_live_events_total 0",
      "ents_live_merged_total 0",
      "ents_database_up 1",
    ]);
  });

  it("has what was counted, for that server alone", async () => {
    metrics.uploads.inc({ door: "/api/sensor/", format: "version 1", outcome: "stored" });
    metrics.readings.inc({ result: "stored" }, 16);
    metrics.commitSeconds.observe(0.003);
    metrics.commitUploads.observe(5);
    metrics.uploadQueue.set(7);
    const samples = samplesOf((await counted.get("/metrics")).body);
    expect(samples).toEqual(
      expect.arrayContaining([
        'ents_uploads_total{door="/api/sensor/",format="version 1",outcome="stored"} 1',
        'ents_readings_total{result="stored"} 16',
        'ents_commit_seconds_bucket{le="0.0025"} 0',
        'ents_commit_seconds_bucket{le="0.005"} 1',
        'ents_commit_uploads_bucket{le="4"} 0',
        'ents_commit_uploads_bucket{le="8"} 1',
        "ents_upload_queue 7",
      ]),
    );
    expect(samplesOf((await api.get("/metrics")).body)).toContain("ents_upload_queue 0");
  });

  it("brings gauges up to date before it is read, and outlives one that fails", async () => {
    let uploads = 1;
    metrics.beforeReading(() => {
      throw new Error("away");
    });
    metrics.beforeReading(async () => metrics.quarantineUploads.set(uploads++));
    expect(samplesOf(await metrics.read())).toContain("ents_quarantine_uploads 1");
    expect(samplesOf(await metrics.read())).toContain("ents_quarantine_uploads 2");
  });

  it("says what the journal holds, and that the database is away", async () => {
    const journal = await openJournal(newDirectory());
    await Promise.all(["one", "two"].map(async (record) => await journal.append(record)));
    const db = connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog);
    const app = buildServer({ ...testDeps(db, () => 0), journal });
    const samples = samplesOf((await app.inject("/metrics")).body);
    expect(samples).toEqual(
      expect.arrayContaining([
        "ents_journal_uploads 2",
        `ents_journal_bytes ${journal.depth().bytes}`,
        "ents_database_up 0",
      ]),
    );
    await Promise.all([app.close(), db.destroy(), journal.close()]);
  });

  it("tells of the process, once that is asked for", async () => {
    const own = openMetrics();
    expect(await own.read()).not.toContain("process_");
    own.addProcess();
    expect(await own.read()).toMatch(/^process_resident_memory_bytes \d+/m);
  });

  it.each(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])(
    "is open to %s, which is this machine",
    async (remoteAddress) => {
      expect((await api.inject({ url: "/metrics", remoteAddress })).statusCode).toBe(200);
    },
  );

  it.each(["192.168.1.20", "::ffff:10.0.0.1", "2001:db8::1", "1.127.0.0", "::11"])(
    "is closed to %s, and says how to open it",
    async (remoteAddress) => {
      const response = await api.inject({ url: "/metrics", remoteAddress });
      expect(response.statusCode).toBe(403);
      expect(response.json()).toMatchObject({
        code: "metrics_closed",
        message: expect.stringContaining("METRICS_TOKEN") as string,
      });
      expect(response.body).not.toContain("ents_");
    },
  );

  it.each(["X-Forwarded-For", "Forwarded", "X-Real-IP"])(
    "is closed to who comes past a proxy on this machine, which says so with %s",
    async (name) => {
      const request = { url: "/metrics", headers: { [name]: "127.0.0.1" } };
      expect((await api.inject(request)).statusCode).toBe(403);
      expect((await proxied.inject(request)).statusCode).toBe(403);
    },
  );

  it("is open to who has the token, from wherever, and then to nobody else", async () => {
    const ask = async (authorization?: string) => {
      const remoteAddress = "192.168.1.20";
      const headers = { "x-forwarded-for": "10.0.0.1", ...(authorization && { authorization }) };
      return (await opened.inject({ url: "/metrics", remoteAddress, headers })).statusCode;
    };
    expect(await ask(`Bearer ${token}`)).toBe(200);
    expect(await ask(`bearer  ${token}`)).toBe(200);
    for (const wrong of [undefined, token, "Bearer", `Bearer ${token}x`, `Basic ${token}`])
      expect(await ask(wrong)).toBe(401);
    const here = await opened.get("/metrics");
    expect(here.statusCode).toBe(401);
    expect(here.json()).toMatchObject({ code: "metrics_token_needed" });
    expect(here.body).not.toContain(token);
  });

  it("is refused to a node, which has no room for it", async () => {
    const headers = { "content-type": "application/octet-stream" };
    const { statusCode, rawPayload } = await api.inject({ url: "/metrics", headers });
    expect(statusCode).toBe(415);
    expect(rawPayload.length).toBeLessThanOrEqual(222);
  });
});

/** The lines of an exposition that have values. */
function samplesOf(exposition: string): string[] {
  return exposition.split("\n").filter((line) => line.startsWith("ents_"));
}
