import { Type, type Static } from "typebox";
import { CellId, Name, nullable, Text } from "./fields.ts";
import { TagId } from "./tag.ts";

/** Who may read a cell: everyone, or those who have a role on it. */
const Visibility = Type.Enum(["public", "private"], { title: "Visibility" });

/** Who may upload to a cell: holders of a key, or anyone who knows its number. */
const UploadPolicy = Type.Enum(["key", "open"], { title: "UploadPolicy" });

/** What someone may do with a cell: owners everything, editors change and upload, viewers read. */
export const Role = Type.Enum(["owner", "editor", "viewer"], { title: "Role" });

/** A cell as the API answers it. */
export const Cell = Type.Object(
  {
    id: CellId,
    name: Type.String(),
    location: nullable(Type.String()),
    latitude: nullable(Type.Number({ description: "degrees north" })),
    longitude: nullable(Type.Number({ description: "degrees east" })),
    archive: Type.Boolean(),
    user_id: nullable(Type.String({ description: "its owner" })),
    upload_policy: UploadPolicy,
    visibility: Visibility,
    tags: Type.Array(Type.Object({ id: TagId, name: Type.String() })),
    role: Type.Union([Role, Type.Null()], { description: "what the caller may do with it" }),
  },
  {
    title: "Cell",
    examples: [
      {
        id: 1,
        name: "greenhouse",
        location: "Santa Cruz",
        latitude: 36.99,
        longitude: -122.06,
        archive: false,
        user_id: "0b54c1d2-9f0e-4d8e-8f43-6b1c1f5a7c11",
        upload_policy: "key",
        visibility: "public",
        tags: [{ id: 1, name: "rice" }],
        role: null,
      },
    ],
  },
);
export type Cell = Static<typeof Cell>;

const Latitude = nullable(Type.Number({ minimum: -90, maximum: 90 }));
const Longitude = nullable(Type.Number({ minimum: -180, maximum: 180 }));

/** What may be said of a cell, when it is made or later. */
const properties = {
  location: Type.Optional(nullable(Text)),
  latitude: Type.Optional(Latitude),
  longitude: Type.Optional(Longitude),
  lat: Type.Optional(Latitude),
  long: Type.Optional(Longitude),
  archive: Type.Optional(nullable(Type.Boolean({ description: "null: as it is" }))),
  tag_ids: Type.Optional(nullable(Type.Array(TagId, { maxItems: 100 }))),
  visibility: Type.Optional(Visibility),
  upload_policy: Type.Optional(UploadPolicy),
};

/** A cell to be made. */
export const NewCell = Type.Object(
  {
    name: Name,
    ...properties,
    id: Type.Optional(
      nullable(
        Type.Number({
          minimum: 1,
          maximum: 2 ** 31 - 1,
          multipleOf: 1,
          description: "the number that nodes send for it already; for admins only",
        }),
      ),
    ),
    userEmail: Type.Optional(
      nullable(Type.String({ description: "the caller's own, or nothing" })),
    ),
  },
  {
    title: "NewCell",
    examples: [{ name: "greenhouse", location: "Santa Cruz", latitude: 36.99, longitude: -122.06 }],
  },
);

/** Changes to a cell. */
export const CellChanges = Type.Object(
  { name: Type.Optional(Name), ...properties },
  {
    title: "CellChanges",
    examples: [{ location: "Santa Cruz, behind the barn", visibility: "private" }],
  },
);
export type CellChanges = Static<typeof CellChanges>;

/** One stream of readings of a cell, as the API answers it. */
export const Sensor = Type.Object(
  {
    id: Type.Integer(),
    cell_id: CellId,
    measurement: Type.String(),
    data_type: Type.Enum(["int", "float"]),
    unit: Type.String(),
    name: Type.String(),
  },
  {
    title: "Sensor",
    examples: [
      {
        id: 4,
        cell_id: 1,
        measurement: "Temperature",
        data_type: "float",
        unit: "C",
        name: "BME280_TEMP",
      },
    ],
  },
);
export type Sensor = Static<typeof Sensor>;
