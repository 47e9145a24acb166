import { Type, type Static } from "typebox";
import { Instant, nullable } from "./fields.ts";

/** One of two values for the same instant, and which logger it came from, when. */
const Side = Type.Object(
  {
    value: nullable(Type.Number()),
    logger_id: nullable(Type.Integer()),
    received_at: nullable(Instant),
  },
  { title: "ConflictSide" },
);

/** Two readings of one sensor for the same instant: the one that was kept, and the one that came second. */
const Conflict = Type.Object(
  {
    id: Type.Integer(),
    sensor_id: Type.Integer(),
    name: Type.String(),
    measurement: Type.String(),
    unit: Type.String(),
    ts: Instant,
    kept: Side,
    other: Side,
  },
  { title: "Conflict" },
);

/** A cell's conflicts, the newest first; `before={next}` goes on. */
export const Conflicts = Type.Object(
  {
    total: Type.Integer(),
    by_logger: Type.Array(
      Type.Object({
        logger_id: nullable(Type.Integer({ description: "registered or not" })),
        count: Type.Integer({ description: "readings of it that came second" }),
      }),
    ),
    conflicts: Type.Array(Conflict),
    next: nullable(Type.Integer()),
  },
  { title: "Conflicts" },
);
export type Conflicts = Static<typeof Conflicts>;
