import { Type } from "typebox";

/**
 * A name that people read: no control characters, which PostgreSQL's text can't hold either, and no halves of a
 * pair that stands for a character, which would all become the same there.
 */
export const Label = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: "^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$",
});

/** What a sensor's values are in, or nothing. */
export const Unit = Type.String({ ...Label, minLength: 0, maxLength: 30 });

/** A name to be trimmed: a label with something in it. */
export const Name = Type.String({
  maxLength: 100,
  pattern: "^(?=.*\\S)[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$",
  description: "unique, without regard to letter case",
});

/** One line of text, or none. */
export const Line = Type.String({
  maxLength: 100,
  pattern: "^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$",
});

/** What people write in sentences, line breaks and all. */
export const Text = Type.String({
  maxLength: 2000,
  pattern: "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f\\ud800-\\udfff]*$",
});

/** An instant as it is answered: ISO 8601, UTC. */
export const Instant = Type.String({ format: "date-time" });

export const Uuid = Type.String({
  pattern: "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
  description: "a UUID",
  examples: ["0b54c1d2-9f0e-4d8e-8f43-6b1c1f5a7c11"],
});

/** A user's number. */
export const UserId = Uuid;

export const nullable = <Schema extends Type.TSchema>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);

/** A cell's number in the database. */
export const CellId = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });

/** A cell's number as a device sends it: there need not be such a cell. */
export const CellNumber = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });

/** A logger's number as a device sends it: there need not be such a logger. */
export const LoggerNumber = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });

/** Unix seconds, UTC, from 1970 to the end of the year 9999; milliseconds by mistake don't fit. */
export const Timestamp = Type.Number({ minimum: 0, maximum: 253_402_300_799 });
