import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openMetrics } from "../src/metrics.ts";

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number };
    readonly targets: readonly { readonly expr?: string; readonly rawSql?: string }[];
  }[];
}

const folder = new URL("../../docker/monitoring/grafana/dashboards/", import.meta.url);
const { panels } = JSON.parse(
  readFileSync(new URL("ents-backend.json", folder), "utf8"),
) as Dashboard;

describe("the dashboard of Grafana", () => {
  const expressions = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => expr ?? []));

  it("shows what /metrics has, by its names and labels", async () => {
    const metrics = openMetrics();
    metrics.addProcess();
    const known = new Set(
      (await metrics.read()).split("\n").flatMap((line) => /^# TYPE (\w+)/.exec(line)?.[1] ?? []),
    );
    const shown = expressions.flatMap((expr) => expr.match(/\b(?:ents|process|nodejs)_\w+/g) ?? []);
    const unknown = shown.filter(
      (name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, "")),
    );
    expect(unknown).toEqual([]);
  });

  it("has each panel at a place of its own", () => {
    const places = panels.map(({ gridPos: { x, y } }) => `${x} ${y}`);
    expect(new Set(places).size).toBe(panels.length);
  });
});
