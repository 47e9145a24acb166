import { sensorsPerCell } from "../timeseries/sensors.ts";
import type { Writer } from "../timeseries/write.ts";
import type { Verdict } from "./judge.ts";
import { tooManySensors } from "./refusal.ts";

/** Verdicts on uploads, with those refused that would give a cell more sensors than it may have. */
export async function refuseOverfull(
  writer: Pick<Writer, "findOverfull">,
  verdicts: readonly Verdict[],
): Promise<readonly Verdict[]> {
  const readings = verdicts.map((verdict) => ("readings" in verdict ? verdict.readings : []));
  const overfull = await writer.findOverfull(readings);
  if (overfull.size === 0) return verdicts;
  return verdicts.map((verdict, at) => {
    const cellId = overfull.get(at);
    return cellId === undefined ? verdict : { refusal: tooManySensors(cellId, sensorsPerCell) };
  });
}
