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

/** A cell's number in the database. */
export const CellId = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });

/** A cell's number as a device sends it: there need not be such a cell. */
export const CellNumber = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });

/** A logger's number as a device sends it: there need not be such a logger. */
export const LoggerNumber = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });

/** Unix seconds, UTC, from 1970 to the end of the year 9999; milliseconds by mistake don't fit. */
export const Timestamp = Type.Number({ minimum: 0, maximum: 253_402_300_799 });
