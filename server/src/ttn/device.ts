/** A device as The Things Stack registers it. */
export interface Device {
  /** Its name there. */
  readonly id: string;
  /** What people read. */
  readonly name: string;
  readonly credentials: Credentials;
}

/** What a device joins a LoRaWAN network with. The key is for The Things Stack only: it is neither kept nor logged. */
export interface Credentials {
  /** 16 hexadecimal digits, in capitals, as the next one. */
  readonly devEui: string;
  readonly joinEui: string;
  /** 32 hexadecimal digits, in capitals. */
  readonly appKey: string;
}

/** The network that devices are registered for. */
interface Network {
  /** The servers' host, without a scheme. */
  readonly host: string;
  readonly frequencyPlan: string;
}

const longestId = 36;

/** Reads credentials; undefined where one of them is missing or isn't what it should be. */
export function parseCredentials(given: {
  readonly dev_eui?: string | null | undefined;
  readonly join_eui?: string | null | undefined;
  readonly app_key?: string | null | undefined;
}): Credentials | undefined {
  const devEui = hexadecimal(given.dev_eui, 16);
  const joinEui = hexadecimal(given.join_eui, 16);
  const appKey = hexadecimal(given.app_key, 32);
  return devEui && joinEui && appKey ? { devEui, joinEui, appKey } : undefined;
}

/**
 * A name for a logger on The Things Stack: its name in small letters, digits and single dashes, and its number.
 *
 * Source: the ids of The Things Stack, `^[a-z0-9](?:[-]?[a-z0-9]){2,}$`, 36 characters at most.
 */
export function toDeviceId(name: string, loggerId: number): string {
  const end = `-${loggerId}`;
  const slug = name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "")
    .slice(0, longestId - end.length)
    .replace(/-$/, "");
  return `${slug.length < 2 ? "logger" : slug}${end}`;
}

/** One server's part of a device: what it is sent, and which fields of it count. */
export interface Part {
  readonly end_device: object;
  readonly field_mask: { readonly paths: readonly string[] };
}

/** What each of the four servers is to know of a device. Source: "Create end devices" of The Things Stack's API. */
export function toParts({ id, name, credentials }: Device, { host, frequencyPlan }: Network) {
  const { devEui, joinEui, appKey } = credentials;
  const ids = { device_id: id, dev_eui: devEui, join_eui: joinEui };
  const servers = { network_server_address: host, application_server_address: host };
  const session = {
    supports_join: true,
    lorawan_version: "MAC_V1_0_3",
    lorawan_phy_version: "PHY_V1_0_3_REV_A",
    frequency_plan_id: frequencyPlan,
  };
  return {
    identity: toPart(ids, { name: cut(name), ...servers, join_server_address: host }),
    network: toPart(ids, session),
    application: toPart(ids, {}),
    join: {
      end_device: { ids, ...servers, root_keys: { app_key: { key: appKey } } },
      field_mask: {
        paths: [...idPaths, ...Object.keys(servers), "root_keys.app_key.key"],
      },
    } satisfies Part,
  };
}

/** A device's name has 50 characters there. Source: `EndDevice.name` in The Things Stack's API. */
function cut(name: string): string {
  return Array.from(name).slice(0, 50).join("");
}

const idPaths = ["ids.device_id", "ids.dev_eui", "ids.join_eui"];

function toPart(ids: object, fields: object): Part {
  return {
    end_device: { ids, ...fields },
    field_mask: { paths: [...idPaths, ...Object.keys(fields)] },
  };
}

function hexadecimal(text: string | null | undefined, digits: number): string | undefined {
  const trimmed = text?.trim().toUpperCase() ?? "";
  return trimmed.length === digits && /^[0-9A-F]+$/.test(trimmed) ? trimmed : undefined;
}
