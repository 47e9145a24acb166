import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["server/test/**/*.test.ts", "schemas/test/**/*.test.ts"],
    exclude: ["server/test/interop/**", "server/test/chaos/**"],
    globalSetup: "server/test/support/global-setup.ts",
    // Most of a test is waiting for servers.
    maxWorkers: "100%",
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
