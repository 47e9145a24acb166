import { availableParallelism } from "node:os";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** They start servers and workers, load them or break them, and say how soon they go on. */
const ofFaults = ["server/test/{start,db,deploy,tasks}/**/*.test.ts"];

/** They mostly wait for PostgreSQL, or for a command to begin: two of them share a small machine well. */
const parts: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: "parts",
    include: ["server/test/**/*.test.ts", "schemas/test/**/*.test.ts"],
    exclude: [...ofFaults, "server/test/interop/**", "server/test/chaos/**"],
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
};

/** One after the other, by themselves. */
const faults: TestProjectInlineConfiguration = {
  extends: true,
  test: { name: "faults", include: ofFaults, maxWorkers: 1, sequence: { groupOrder: 1 } },
};

export default defineConfig({
  test: {
    globalSetup: "server/test/support/global-setup.ts",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [parts, faults],
  },
});
