import { randomUUID } from "node:crypto";
import type { Db } from "../../src/db/connect.ts";
import { insertQuarantined, type About, type Quarantined } from "../../src/store/quarantine.ts";
import type { TestApi } from "./api.ts";
import { decimal, encodeVersion2, version2 } from "./messages.ts";

/** When a node took the voltages that `uploadVoltage` sends: Unix seconds. */
export const sentTs = 1_705_316_400;

/** Uploads a voltage (mV) to a cell, as a node does; answers the status. */
export async function uploadVoltage(
  api: TestApi,
  cellId: number,
  { value = 850, loggerId = 7, headers = {} }: VoltageOptions = {},
): Promise<number> {
  const meta = { cellId, loggerId, ts: sentTs };
  const message = encodeVersion2([{ meta, type: 1, value: decimal(value) }]);
  return (await api.postBytes(message, { ...version2, ...headers })).statusCode;
}

interface VoltageOptions {
  readonly value?: number;
  readonly loggerId?: number;
  readonly headers?: Record<string, string>;
}

/** The number of the newest upload in quarantine. */
export async function newestUpload(db: Db): Promise<number> {
  const { id } = await db
    .selectFrom("quarantine")
    .select("id")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirstOrThrow();
  return id;
}

/** An upload that was refused; `changes` and `about` say what is special about it. */
export function quarantined(
  changes: Partial<Quarantined> = {},
  about: Partial<About> = {},
): Quarantined {
  const nothing = { decodes: false, cellIds: [], cellNames: [], loggerNumbers: [] };
  return {
    receivedAt: sentTs,
    path: "/api/sensor/",
    format: "measurement/v2",
    headers: {},
    body: Buffer.from("ff", "hex"),
    code: "unknown_cell",
    reason: "there is no cell 999",
    sentBy: {},
    ...changes,
    about: { ...nothing, deviceEui: undefined, ...about },
  };
}

/** Puts it there; answers its number. */
export async function putInQuarantine(db: Db, upload: Quarantined): Promise<number> {
  const uploadId = randomUUID();
  await insertQuarantined(db, [{ uploadId, ...upload }]);
  const { id } = await db
    .selectFrom("quarantine")
    .select("id")
    .where("upload_id", "=", uploadId)
    .executeTakeFirstOrThrow();
  return id;
}
