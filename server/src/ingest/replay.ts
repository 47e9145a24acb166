import type { Db } from "../db/connect.ts";
import { isDatabaseAway } from "../db/fault.ts";
import { transact } from "../db/transact.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { recordDeed, type Deed } from "../store/audit.ts";
import { findLoggers } from "../store/loggers.ts";
import { deleteQuarantined, noteReplay } from "../store/quarantine.ts";
import type { WholeUpload } from "../store/quarantine-list.ts";
import { Writer, type NewReading, type Written } from "../timeseries/write.ts";
import { codecs, type Format } from "./codecs/codecs.ts";
import { decode } from "./decode.ts";
import { judge } from "./judge.ts";
import { lookIn } from "./lookup.ts";
import type { CreatorDeps } from "./newcomers.ts";
import { refuseOverfull } from "./overfull.ts";
import { toReason, type Reason } from "./quarantine.ts";
import type { Measurement, Sender } from "./uplink.ts";

export interface ReplayDeps extends Omit<CreatorDeps, "lookup"> {
  readonly log: Log;
  readonly clock: Clock;
}

/** Who replays: it is their roles that count, not those of who sent the upload. */
export type Replayer = Extract<Sender, { readonly kind: "user" }>;

/** What became of an upload that was replayed: it is stored and has left quarantine, or is refused and stays. */
export type Replayed =
  | { readonly written: Written }
  | { readonly refused: Reason; readonly error: unknown };

/**
 * Takes an upload out of quarantine as if it came again from the replayer, but at the time at which it came first,
 * and from the logger by whose key it came. It leaves after its readings are committed: what is replayed twice is
 * repeated, and nothing is lost.
 *
 * @throws what says that the database is away; then the upload stays as it is
 */
export async function replay(
  deps: ReplayDeps,
  upload: WholeUpload,
  replayer: Replayer,
): Promise<Replayed> {
  try {
    const writer = new Writer(deps.db, deps.log);
    const readings = await place(deps, upload, replayer, writer);
    const [written] = await writer.write([readings], undefined);
    await release(deps.db, upload, toDeed(deps, upload, replayer, written!, readings));
    return { written: written! };
  } catch (error) {
    if (isDatabaseAway(error)) throw error;
    const refused = toReason(error);
    if (refused.code === "internal_error")
      deps.log.error({ err: error, id: upload.id }, "an upload could not be replayed");
    await keep(deps, upload, replayer, refused);
    return { refused, error };
  }
}

async function place(
  deps: ReplayDeps,
  upload: WholeUpload,
  replayer: Replayer,
  writer: Writer,
): Promise<readonly NewReading[]> {
  const content = decodeQuarantined(upload);
  if ("ignored" in content) return [];
  if ("refusal" in content) throw content.refusal;
  const measurements = content.measurements.map((one) => underKey(upload, one));
  // What it makes on its way is made now; the readings came when they came.
  const whose = await findSenderOf(deps.db, upload);
  const arrival = { sender: replayer, receivedAt: deps.clock(), whose };
  const verdicts = await judge({ ...deps, lookup: lookIn(deps.db) }, [
    { ...arrival, measurements },
  ]);
  const [verdict] = await refuseOverfull(writer, verdicts);
  if ("refusal" in verdict!) throw verdict.refusal;
  const receivedAt = upload.received_at.getTime() / 1000;
  return verdict!.readings.map((reading) => ({ ...reading, receivedAt }));
}

/** By whose key an upload came; null: without one. */
async function findSenderOf(
  db: Db,
  { account_id, logger_id }: WholeUpload,
): Promise<string | null> {
  if (account_id !== null || logger_id === null) return account_id;
  const [logger] = await findLoggers(db, [logger_id], []);
  return logger?.user_id ?? null;
}

/** Reads an upload in quarantine as it is read today. */
export function decodeQuarantined({
  format,
  body,
  headers,
}: Pick<WholeUpload, "format" | "body" | "headers">) {
  return decode({ format: isFormat(format) ? format : undefined, payload: body, headers });
}

function isFormat(format: string | null): format is Format {
  return format !== null && Object.hasOwn(codecs, format);
}

/** An upload key says for the message which logger it is from. */
function underKey({ logger_id }: WholeUpload, measurement: Measurement): Measurement {
  return logger_id === null ? measurement : { ...measurement, logger: { id: logger_id } };
}

async function release(db: Db, { id }: WholeUpload, deed: Deed): Promise<void> {
  await transact(db, async (transaction) => {
    if (await deleteQuarantined(transaction, id)) await recordDeed(transaction, deed);
  });
}

async function keep(
  deps: ReplayDeps,
  upload: WholeUpload,
  replayer: Replayer,
  refused: Reason,
): Promise<void> {
  await transact(deps.db, async (transaction) => {
    await noteReplay(transaction, upload.id, deps.clock(), refused);
    await recordDeed(transaction, toDeed(deps, upload, replayer, { refused: refused.code }, []));
  });
}

function toDeed(
  { clock }: ReplayDeps,
  { id, code, received_at }: WholeUpload,
  { actor }: Replayer,
  outcome: object,
  readings: readonly NewReading[],
): Deed {
  const object = { objectType: "upload", objectId: String(id) } as const;
  const cellIds = [...new Set(readings.map(({ cellId }) => cellId))];
  const [cellId] = cellIds;
  return {
    at: clock(),
    actor,
    action: "replay",
    ...object,
    ...(cellIds.length === 1 && { cellId: cellId! }),
    details: { code, received_at, ...outcome },
  };
}
