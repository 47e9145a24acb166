import type { NewLogger, TtnStatus } from "@ents-backend/schemas/logger";
import type { FastifyRequest } from "fastify";
import type { Person } from "../auth/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { KnownError } from "../lib/errors.ts";
import { recordDeed, type Deed } from "../store/audit.ts";
import {
  createLogger,
  requireFreeName,
  type Logger,
  type NewLogger as Row,
} from "../store/loggers.ts";
import { requireClaimable, reserveLoggerNumber } from "../store/logger-numbers.ts";
import { requireRoom } from "../store/quota.ts";
import type { TtnClient } from "../ttn/client.ts";
import { parseCredentials, toDeviceId, type Credentials } from "../ttn/device.ts";
import { actorOf } from "../http/caller.ts";
import type { ServerDeps } from "../http/deps.ts";

type Deps = Pick<ServerDeps, "db" | "clock" | "ttn">;
type Request = Pick<FastifyRequest, "caller" | "ip">;

/** What is told of a device's registration on The Things Stack, where it is one for it. */
interface Made {
  readonly id: number;
  readonly ttn_registered?: boolean;
  readonly ttn_device_id?: string;
  readonly ttn_message?: string;
}

/**
 * Makes a logger. A device of type "ents" is registered on The Things Stack before it is stored here, under a
 * number that was reserved for it: no failure leaves anything behind on either side.
 *
 * @throws KnownError when the name is taken, the number isn't theirs to claim, or The Things Stack refuses the device
 */
export async function makeLogger(
  deps: Deps,
  request: Request,
  { userId, admin }: Person,
  body: NewLogger,
): Promise<Made> {
  const claimed = body.id ?? undefined;
  if (claimed !== undefined) await requireClaimable(deps.db, claimed, admin ? undefined : userId);
  const row: Row = {
    ...(claimed !== undefined && { id: claimed }),
    name: body.name,
    type: body.type ?? null,
    deviceEui: body.device_eui || (body.dev_eui ?? null),
    description: body.description ?? null,
    vwcUnit: body.vwc_unit ?? null,
    userId,
  };
  if (body.type !== "ents") return { id: await store(deps, request, row) };
  const credentials = parseCredentials(body);
  const { ttn } = deps;
  if (ttn && credentials) return await register({ ...deps, ttn }, request, row, credentials);
  const id = await store(deps, request, row);
  return { id, ttn_registered: false, ttn_message: ttn ? whyNoDevice : whyNoStack };
}

/** What the network says of a logger's device. */
export async function readStatus(
  ttn: TtnClient | undefined,
  { ttn_device_id: device_id }: Logger,
): Promise<TtnStatus> {
  const unknown = { device_id, last_seen_at: null };
  if (device_id === null) return { ...unknown, registered: false, message: "not registered" };
  if (!ttn) return { ...unknown, registered: null, message: whyNoStack };
  try {
    const found = await ttn.find(device_id);
    return found
      ? { ...found, registered: true, message: "registered" }
      : { ...unknown, registered: false, message: "The Things Stack does not know it any more" };
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    return { ...unknown, registered: null, message: error.message };
  }
}

/** What the caller does to a logger, for the audit log. */
export function loggerDeed(
  clock: Clock,
  request: Request,
  id: number,
  action: string,
  details: object,
): Deed {
  const object = { objectType: "logger", objectId: String(id) } as const;
  return { at: clock(), actor: actorOf(request), action, ...object, details };
}

const whyNoDevice =
  "without a dev_eui and a join_eui of 16 hexadecimal digits and an app_key of 32, it is not registered on The Things Stack";
const whyNoStack = "this server has no application on The Things Stack";

async function register(
  deps: Deps & { readonly ttn: TtnClient },
  request: Request,
  row: Row,
  credentials: Credentials,
): Promise<Made> {
  await requireFreeName(deps.db, row.name);
  await requireRoom(deps.db, "logger", row.userId);
  const id = row.id ?? (await reserveLoggerNumber(deps.db));
  const device = { id: toDeviceId(row.name, id), name: row.name.trim(), credentials };
  await deps.ttn.register(device);
  try {
    await store(deps, request, { ...row, id, ttnDeviceId: device.id });
  } catch (error) {
    await deps.ttn.withdraw(device.id);
    throw error;
  }
  return { id, ttn_registered: true, ttn_device_id: device.id };
}

async function store({ db, clock }: Deps, request: Request, row: Row): Promise<number> {
  return await db.transaction().execute(async (transaction) => {
    const { id, name, type, device_eui, ttn_device_id } = await createLogger(transaction, row);
    const details = { name, type, device_eui, ttn_device_id };
    await recordDeed(transaction, loggerDeed(clock, request, id, "create", details));
    return id;
  });
}
