import { expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newUser } from "../support/users.ts";

const api = useApi();
const proxied = useApi(undefined, ({ settings }) => ({
  settings: { ...settings, trustProxy: "127.0.0.1, 10.0.0.0/8" },
}));

/** Where a deed came from, by the audit log. */
async function addressOf(
  of: typeof api,
  remoteAddress: string,
  forwarded: string,
): Promise<string | null> {
  const { headers, id } = await newUser(of);
  const payload = { first_name: "A" };
  const sent = { ...headers, "x-forwarded-for": forwarded };
  await of.inject({ method: "PUT", url: "/api/user", headers: sent, payload, remoteAddress });
  const deed = of.db.selectFrom("audit").select("address").where("account_id", "=", id);
  return (await deed.executeTakeFirstOrThrow()).address;
}

it("believes a proxy that is named, and proxies behind it that are", async () => {
  expect(await addressOf(proxied, "10.1.2.3", "198.51.100.7")).toBe("198.51.100.7");
  expect(await addressOf(proxied, "127.0.0.1", "198.51.100.7, 10.9.9.9")).toBe("198.51.100.7");
});

it("believes no stranger, whatever they say of themselves", async () => {
  expect(await addressOf(proxied, "203.0.113.9", "198.51.100.7")).toBe("203.0.113.9");
  expect(await addressOf(proxied, "10.1.2.3", "127.0.0.1, 198.51.100.7")).toBe("198.51.100.7");
});

it("believes nobody where no proxy is named", async () => {
  expect(await addressOf(api, "127.0.0.1", "198.51.100.7")).toBe("127.0.0.1");
});
