import type { MeasurementReceived } from "@ents-backend/schemas/live-events";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { arrange } from "../../src/streaming/merge.ts";

const event = (cellId: number, nth: number): MeasurementReceived => ({
  type: "POWER_VOLTAGE",
  cellId,
  loggerId: 1,
  timestamp: nth,
  data: { Voltage: nth },
  obj_count: 0,
  cursor: cursorAt(nth),
});

function cursorAt(nth: number): string {
  return String(nth).padStart(4, "0");
}

it("never leads a cursor back, nor past what somebody who follows some of the cells hasn't heard", () => {
  const cells = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 40 });
  const followed = fc.subarray([1, 2, 3, 4], { minLength: 1 });
  fc.assert(
    fc.property(cells, followed, fc.integer({ min: 1, max: 5 }), (cellIds, mine, most) => {
      const events = cellIds.map((cellId, at) => event(cellId, at + 1));
      const told = arrange(events, () => most, cursorAt(0))
        .filter(({ cellId }) => mine.includes(cellId))
        .map(({ message }) => message);
      const cursors = told.map(({ cursor }) => cursor!);
      expect(cursors).toEqual(cursors.toSorted());
      const heard = events.filter(({ cellId }) => mine.includes(cellId));
      if (heard.length > 0) expect(cursors.at(-1)! >= heard.at(-1)!.cursor).toBe(true);
      const merged = told.reduce((sum, { merged: count = 0 }) => sum + count, 0);
      const alone = told.filter(
        ({ name, cursor }) => name === "measurement_received" && cursor !== cursorAt(0),
      );
      expect(merged + alone.length).toBe(heard.length);
    }),
  );
});
