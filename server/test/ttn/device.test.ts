import { describe, expect, it } from "vitest";
import { parseCredentials, toDeviceId } from "../../src/ttn/device.ts";

describe("a device's name on The Things Stack", () => {
  it.each([
    ["Plot 7", 12, "plot-7-12"],
    ["  Ähre -- süß!  ", 1, "ahre-su-1"],
    ["a", 1, "logger-1"],
    ["土", 5, "logger-5"],
    ["-", 5, "logger-5"],
    ["ok", 5, "ok-5"],
    ["x".repeat(100), 2_147_483_647, `${"x".repeat(25)}-2147483647`],
    [`${"x".repeat(33)} y`, 1, `${"x".repeat(33)}-1`],
  ])("of %j, number %d, is %s", (name, id, deviceId) => {
    expect(toDeviceId(name, id)).toBe(deviceId);
    expect(deviceId).toMatch(/^[a-z0-9](?:-?[a-z0-9]){2,}$/);
    expect(deviceId.length).toBeLessThanOrEqual(36);
  });
});

describe("credentials", () => {
  const good = {
    dev_eui: " 0080e1150546d093 ",
    join_eui: "0101010101010101",
    app_key: "00112233445566778899aabbccddeeff",
  };

  it("are read in whatever letter case", () => {
    expect(parseCredentials(good)).toEqual({
      devEui: "0080E1150546D093",
      joinEui: "0101010101010101",
      appKey: "00112233445566778899AABBCCDDEEFF",
    });
  });

  it.each([
    { dev_eui: undefined },
    { dev_eui: "0080E1150546D09" },
    { join_eui: "0101010101010101F" },
    { join_eui: null },
    { app_key: "g".repeat(32) },
    { app_key: "" },
  ])("are none with %j", (bad) => {
    expect(parseCredentials({ ...good, ...bad })).toBeUndefined();
  });
});
