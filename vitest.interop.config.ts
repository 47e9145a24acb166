import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["server/test/interop/**/*.test.ts"],
    globalSetup: ["server/test/interop/setup.ts", "server/test/support/global-setup.ts"],
    // They mostly wait for Python and for the server.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
