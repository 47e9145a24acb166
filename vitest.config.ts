import { availableParallelism } from "node:os";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** Tests that start the program itself, several times over, and say how soon it does something. */
const ofPrograms = ["server/test/{cli,db,deploy,tasks}/**/*.test.ts", "server/test/readme.test.ts"];

/** They mostly wait for PostgreSQL: two of them share a small machine well. */
const parts: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: "parts",
    include: ["server/test/**/*.test.ts", "schemas/test/**/*.test.ts"],
    exclude: [...ofPrograms, "server/test/interop/**", "server/test/chaos/**"],
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
};

/** One after the other, by themselves. */
const programs: TestProjectInlineConfiguration = {
  extends: true,
  test: { name: "programs", include: ofPrograms, maxWorkers: 1, sequence: { groupOrder: 1 } },
};

export default defineConfig({
  test: {
    globalSetup: "server/test/support/global-setup.ts",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [parts, programs],
  },
});
