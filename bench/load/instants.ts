const room_s = 2_000_000;
let next = 1_000_000_000;

/** Where a load's instants begin, in Unix seconds: no two loads have one in common. */
export function freshInstants(): number {
  next += room_s;
  return next;
}
