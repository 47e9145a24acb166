import { sensorsPerCell } from "../timeseries/sensors.ts";
import type { Writer } from "../timeseries/write.ts";
import { readingsOf, type Judgement } from "./judge.ts";
import { tooManySensors } from "./refusal.ts";

/** Verdicts on uploads, with those refused that would give a cell more sensors than it may have. */
export async function refuseOverfull(
  writer: Pick<Writer, "findOverfull">,
  judgements: readonly Judgement[],
): Promise<readonly Judgement[]> {
  const overfull = await writer.findOverfull(judgements.map(readingsOf));
  if (overfull.size === 0) return judgements;
  return judgements.map((judgement, at) => {
    const cellId = overfull.get(at);
    return cellId === undefined ? judgement : { refusal: tooManySensors(cellId, sensorsPerCell) };
  });
}
