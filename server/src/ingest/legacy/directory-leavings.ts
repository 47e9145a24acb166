import type { OldDirectory } from "../../store/legacy/old-directory.ts";
import type { Leaving } from "../../store/legacy/survey.ts";
import { normaliseEmail, normaliseName } from "./collisions.ts";
import { sensorSeries } from "./streams.ts";

/**
 * What of the old backend's users, cells, tags … doesn't come over, or comes without something.
 *
 * @param deletedCells numbers of cells that came over before, and were deleted here since
 */
export function findDirectoryLeavings(
  { users, cells, loggers, tags, shares, taggings, sensors }: OldDirectory,
  deletedCells: ReadonlySet<number>,
): Leaving[] {
  const userIds = new Set(users.filter(({ email }) => normaliseEmail(email)).map(({ id }) => id));
  const cellIds = new Set(cells.map(({ id }) => id));
  const tagIds = new Set(tags.map(({ id }) => id));
  const isStranger = (id: string | null): boolean => id !== null && !userIds.has(id);
  return [
    ...leave(
      "user",
      "it has no e-mail address",
      users.filter(({ id }) => !userIds.has(id)),
    ),
    ...leave(
      "cell",
      "it was deleted here",
      cells.filter(({ id }) => deletedCells.has(id)),
    ),
    ...leave(
      "cell",
      "it comes without an owner: theirs is no account here",
      cells.filter(({ user_id }) => isStranger(user_id)),
    ),
    ...leave(
      "cell",
      "it comes without its position, which is none on earth",
      cells.filter(isNowhere),
    ),
    ...leave(
      "logger",
      "it comes without an owner: theirs is no account here",
      loggers.filter(({ user_id }) => isStranger(user_id)),
    ),
    ...leave(
      "tag",
      "it has no name",
      tags.filter(({ name }) => normaliseName(name) === ""),
    ),
    ...leave(
      "cell_user",
      "its cell is not there",
      shares.filter(({ cell_id }) => !cellIds.has(cell_id)).map(ofCell),
    ),
    ...leave(
      "cell_user",
      "its user is no account here",
      shares.filter((one) => cellIds.has(one.cell_id) && isStranger(one.user_id)).map(ofCell),
    ),
    ...leave(
      "cell_tag",
      "its cell or its tag is not there",
      taggings
        .filter(({ cell_id, tag_id }) => !cellIds.has(cell_id) || !tagIds.has(tag_id))
        .map(ofCell),
    ),
    ...leave(
      "sensor",
      "power is made here, of voltage and current",
      sensors.filter((sensor) => cellIds.has(sensor.cell_id) && !sensorSeries(sensor)),
    ),
  ];
}

/** Users have no numbers that would tell anything. */
function leave(
  table: string,
  reason: string,
  rows: readonly { readonly id: number | string }[],
): Leaving[] {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id).filter((id) => typeof id === "number");
  const of =
    ids.length === 0
      ? rows
          .map(({ id }) => id)
          .slice(0, 5)
          .join(", ")
      : null;
  const [first, last] = ids.length === 0 ? [0, 0] : [Math.min(...ids), Math.max(...ids)];
  return [{ table, reason, of, rows: rows.length, first, last }];
}

function ofCell({ cell_id }: { readonly cell_id: number }): { id: number } {
  return { id: cell_id };
}

function isNowhere({ latitude, longitude }: OldDirectory["cells"][number]): boolean {
  return isPast(90, latitude) || isPast(180, longitude);
}

function isPast(limit: number, degrees: number | null): boolean {
  return degrees !== null && !(Math.abs(degrees) <= limit);
}
