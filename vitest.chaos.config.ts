import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["server/test/chaos/**/*.test.ts"],
    // What one file does to its server must not be what slows down another one's.
    fileParallelism: false,
    hookTimeout: 60_000,
  },
});
