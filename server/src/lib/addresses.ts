import { BlockList, isIPv6 } from "node:net";

/** Whether an address is one of some. */
export type Addresses = (address: string | undefined) => boolean;

/** This machine's own. Source: RFC 1122, 3.2.1.3; RFC 4291, 2.5.3. */
const loopback = ["127.0.0.0/8", "::1"];

/**
 * Reads a list of addresses.
 *
 * @param list addresses and networks with commas between them (`10.0.0.0/8, ::1`), `loopback`, or false for none
 * @throws when a part is neither
 */
export function readAddresses(list: string | false): Addresses {
  const known = new BlockList();
  const parts = (list || "").split(",").map((part) => part.trim());
  for (const part of parts.flatMap((one) => (one === "loopback" ? loopback : one)))
    if (part !== "") add(known, part);
  return (address) =>
    address !== undefined && known.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

export const isLoopback = readAddresses("loopback");

function add(list: BlockList, part: string): void {
  const [address = "", bits] = part.split("/");
  const family = isIPv6(address) ? "ipv6" : "ipv4";
  if (bits === undefined) list.addAddress(address, family);
  else if (!/^\d+$/.test(bits)) throw new Error(`${part} is no network`);
  else list.addSubnet(address, Number(bits), family);
}
