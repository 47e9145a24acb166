import { Type, type Static } from "typebox";
import { CellId, Instant, Line, Name, nullable, Text } from "./fields.ts";

/** A logger's number in the database. */
export const LoggerId = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });

/** What a device sends volumetric water content in; null: guess. */
const VwcUnit = nullable(Type.Enum(["fraction", "percent"]));

/** A logger as the API answers it. */
export const Logger = Type.Object(
  {
    id: LoggerId,
    name: Type.String(),
    type: nullable(Type.String()),
    device_eui: nullable(Type.String({ description: "for its owner only" })),
    description: nullable(Type.String()),
    date_created: Instant,
    user_id: nullable(Type.String({ description: "its owner" })),
    vwc_unit: VwcUnit,
    ttn_device_id: nullable(Type.String({ description: "its name on The Things Stack" })),
    last_received_at: nullable(
      Type.String({
        format: "date-time",
        description:
          "when an upload of it was last taken, by the server's clock, some seconds late; for its owner only",
      }),
    ),
    conflicts: Type.Integer({
      description: "readings sent under its number that differ from one that was there",
    }),
  },
  {
    title: "Logger",
    examples: [
      {
        id: 7,
        name: "node 7",
        type: "ents",
        device_eui: null,
        description: "by the pump",
        date_created: "2024-01-16T12:00:00.000Z",
        user_id: "0b54c1d2-9f0e-4d8e-8f43-6b1c1f5a7c11",
        vwc_unit: null,
        ttn_device_id: null,
        last_received_at: "2024-01-17T08:30:00.000Z",
        conflicts: 0,
      },
    ],
  },
);
export type Logger = Static<typeof Logger>;

/** What The Things Stack says of a device. */
export const TtnStatus = Type.Object(
  {
    registered: Type.Union([Type.Boolean(), Type.Null()], {
      description: "null: it could not be asked",
    }),
    device_id: nullable(Type.String()),
    last_seen_at: nullable(Type.String()),
    message: Type.String(),
  },
  { title: "TtnStatus" },
);
export type TtnStatus = Static<typeof TtnStatus>;

/** A logger to be made; with the last three a device of type "ents" is registered on The Things Stack too. */
export const NewLogger = Type.Object(
  {
    name: Name,
    id: Type.Optional(
      nullable(
        Type.Integer({
          minimum: 1,
          maximum: 2 ** 31 - 1,
          description: "a number that its node sends already, to one's own cell first",
        }),
      ),
    ),
    type: Type.Optional(nullable(Line)),
    device_eui: Type.Optional(nullable(Line)),
    description: Type.Optional(nullable(Text)),
    vwc_unit: Type.Optional(VwcUnit),
    userEmail: Type.Optional(
      nullable(Type.String({ description: "the caller's own, or nothing" })),
    ),
    dev_eui: Type.Optional(nullable(Line)),
    join_eui: Type.Optional(nullable(Line)),
    app_key: Type.Optional(nullable(Line)),
  },
  { title: "NewLogger", examples: [{ name: "node 7", description: "by the pump" }] },
);
export type NewLogger = Static<typeof NewLogger>;

/** A number that a node sends under, and that no logger has. */
export const FreeNumber = Type.Object(
  {
    id: LoggerId,
    cell_id: CellId,
    first_received_at: Instant,
  },
  {
    title: "FreeNumber",
    description: "the cell is the one that its node has sent to first",
    examples: [{ id: 200, cell_id: 1, first_received_at: "2024-01-16T12:00:00.000Z" }],
  },
);

/** Changes to a logger. */
export const LoggerChanges = Type.Object(
  {
    name: Type.Optional(Name),
    description: Type.Optional(nullable(Text)),
    vwc_unit: Type.Optional(VwcUnit),
  },
  { title: "LoggerChanges", examples: [{ description: "by the gate", vwc_unit: "percent" }] },
);
