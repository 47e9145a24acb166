import { randomUUID } from "node:crypto";
import { createCell } from "../../src/store/cells.ts";
import type { TestApi } from "./api.ts";

/** A cell of its own for one test, that anyone may upload to; answers its number. */
export async function newCell({ db }: Pick<TestApi, "db">): Promise<number> {
  const { id } = await createCell(db, { name: `cell ${randomUUID()}`, uploadPolicy: "open" });
  return id;
}

/** What `/sensor` answers for one stream of a cell, every reading with its instant in Unix seconds. */
export async function readSensor(
  api: Pick<TestApi, "get">,
  cellId: number,
  [name, measurement]: readonly [name: string, measurement: string],
  query: Record<string, string> = {},
) {
  const parameters = new URLSearchParams({
    name,
    measurement,
    cellId: String(cellId),
    resample: "none",
    startTime: "0",
    timestamps: "unix",
    ...query,
  });
  return (await api.get(`/api/sensor/?${parameters.toString()}`)).json<{
    timestamp: (number | string)[];
    data: (number | null)[];
    measurement: string;
    unit: string;
    type: string;
  }>();
}
