import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["server/test/**/*.test.ts", "schemas/test/**/*.test.ts"],
    exclude: ["server/test/interop/**", "server/test/chaos/**"],
    globalSetup: "server/test/support/global-setup.ts",
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
