import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "@prometheus-io/client";

export type Metrics = ReturnType<typeof openMetrics>;

/** What one process has counted and measured, as it is sent to another one. */
export type Snapshot = readonly object[];

/** Asks all processes of a server, this one among them, and adds what those have counted that are gone. */
export type Gather = () => Promise<readonly Snapshot[]>;

/** What processes come to together of a gauge; for what each of them sees of the same thing, not the sum. */
type Together = "sum" | "max" | "min";

/** Counts of several processes together; what they measure at the moment isn't among it. */
export async function addCounts(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  const all = await Registry.aggregate([...snapshots]).getMetricsAsJSON();
  return all.filter(({ type }) => type === "counter" || type === "histogram");
}

const httpBuckets_s = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const commitBuckets_s = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const batchBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/**
 * What is counted and measured of one server: its write path, the requests that it answers, and who listens.
 *
 * @param gather undefined: the server is this process alone
 */
export function openMetrics(gather?: Gather) {
  const registry = new Registry();
  const updates: (() => void | Promise<void>)[] = [];
  const updateAll = async () =>
    await Promise.allSettled(updates.map(async (update) => await update()));

  return {
    ...defineMetrics(registry),

    /** Has something brought up to date before each reading. What fails leaves its gauge as it was. */
    beforeReading(update: () => void | Promise<void>): void {
      updates.push(update);
    },

    /**
     * Adds memory, processor, event loop and garbage collection. Only once a process: what measures these never
     * stops.
     */
    addProcess(): void {
      // Looked at often enough to see what keeps it from its work, and not so often that this is what an idle server does.
      collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 });
    },

    contentType: registry.contentType,

    /** Everything, in the text format of Prometheus, version 0.0.4: of all processes, where the server is several. */
    async read(): Promise<string> {
      if (gather) return await Registry.aggregate([...(await gather())]).metrics();
      await updateAll();
      return await registry.metrics();
    },

    /** Everything of this process. */
    async snapshot(): Promise<Snapshot> {
      await updateAll();
      return await registry.getMetricsAsJSON();
    },
  };
}

function defineMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <Label extends string = never>(
    name: string,
    help: string,
    ...labelNames: Label[]
  ) => new Counter<Label>({ name, help, labelNames, registers });
  const gauge = <Label extends string = never>(
    name: string,
    help: string,
    aggregator: Together,
    ...labelNames: Label[]
  ) => new Gauge<Label>({ name, help, aggregator, labelNames, registers });
  const histogram = <Label extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    ...labelNames: Label[]
  ) => new Histogram<Label>({ name, help, buckets, labelNames, registers });

  const metrics = {
    uploads: counter(
      "ents_uploads_total",
      "Uploads that came, by the path of their door, their format, and what became of them.",
      "door",
      "format",
      "outcome",
    ),
    readings: counter(
      "ents_readings_total",
      "Readings that came: new ones, repeats, and other values for an instant that has one.",
      "result",
    ),
    commitSeconds: histogram(
      "ents_commit_seconds",
      "How long the uploads of a batch took to be judged and stored.",
      commitBuckets_s,
    ),
    commitUploads: histogram(
      "ents_commit_uploads",
      "How many uploads were stored together.",
      batchBuckets,
    ),
    uploadQueue: gauge("ents_upload_queue", "Uploads that wait for a transaction.", "sum"),
    journalUploads: gauge(
      "ents_journal_uploads",
      "Uploads on disk that are still to be applied.",
      "max",
    ),
    journalBytes: gauge("ents_journal_bytes", "Size of the journal on disk.", "max"),
    journalAppended: counter("ents_journal_appended_total", "Uploads that went to the journal."),
    journalApplied: counter("ents_journal_applied_total", "Uploads of the journal, applied."),
    journalUnkept: counter(
      "ents_journal_unkept_total",
      "Uploads of the journal that could be kept nowhere in the database, and are in files beside it.",
    ),
    journalWritable: gauge(
      "ents_journal_writable",
      "Whether uploads could go to the journal: 1 or 0.",
      "min",
    ),
    journalAsideBytes: gauge(
      "ents_journal_aside_bytes",
      "Size of what is kept beside the journal because it was damaged or could not be applied.",
      "max",
    ),
    quarantineUploads: gauge("ents_quarantine_uploads", "Uploads in quarantine.", "max"),
    quarantineBytes: gauge("ents_quarantine_bytes", "Size of the uploads in quarantine.", "max"),
    quarantineEvicted: counter(
      "ents_quarantine_evicted_total",
      "Uploads that left quarantine to make room for others.",
    ),
    tasks: gauge("ents_tasks", "Tasks that are kept, by kind and state.", "max", "kind", "state"),
    queueUp: gauge("ents_queue_up", "Whether what tells workers of tasks answers: 1 or 0.", "min"),
    httpSeconds: histogram(
      "ents_http_request_seconds",
      "How long requests took, but for uploads, by route and class of status.",
      httpBuckets_s,
      "method",
      "route",
      "status",
    ),
    httpInFlight: gauge("ents_http_requests_in_flight", "Requests that are being answered.", "sum"),
    liveConnections: gauge(
      "ents_live_connections",
      "Connections that listen to what is stored.",
      "sum",
    ),
    liveEvents: counter("ents_live_events_total", "Events that were told to those who listen."),
    liveMerged: counter(
      "ents_live_merged_total",
      "Measurements that were too many to be told one by one, for each who listens.",
    ),
    databaseUp: gauge("ents_database_up", "Whether the database answers: 1 or 0.", "min"),
  };
  // A series that begins with its first count hides that count from those who look at differences.
  for (const result of ["stored", "repeated", "conflicting"]) metrics.readings.inc({ result }, 0);
  return metrics;
}
