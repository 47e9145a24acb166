import { isIPv6 } from "node:net";

/** Whose an address is, as far as that can be told: whoever has one IPv6 address has the 2⁶⁴ of its network. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes(".")) return address;
  const [head = [], tail = []] = address.split("::").map((half) => half.split(":"));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  return [...head, ...zeros, ...tail].slice(0, 4).join(":");
}
