import { expect, it } from "vitest";
import { Followings } from "../../src/streaming/followings.ts";
import type { LogPosition } from "../../src/timeseries/arrivals.ts";
import { Ear } from "../support/ear.ts";

const at = (id: number): LogPosition => ({ log: 1, xid: 1, id, nth: 0 });

it("tells a cell no further back than it was told already, when another one is followed from there", () => {
  const followings = new Followings();
  const ear = new Ear();
  followings.add(ear, [1], at(0), at(9));
  followings.add(ear, [2], at(0), at(9));
  const group = followings.nextGroup(at(9))!;
  followings.advance(ear, followings.find(ear, group)!, at(5));
  followings.add(ear, [3], at(0), at(9));
  const { behind, cells, floors } = followings.find(ear, followings.nextGroup(at(9))!)!;
  expect(behind).toEqual(at(0));
  expect([...cells]).toEqual([1, 2, 3]);
  expect([...floors]).toEqual([
    [1, at(5)],
    [2, at(5)],
    [3, at(0)],
  ]);
});
