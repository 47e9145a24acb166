import { describe, expect, it } from "vitest";
import type { Note, Others } from "../../src/lib/others.ts";
import { Relay } from "../../src/processes/relay.ts";
import { Tally } from "../../src/processes/tally.ts";
import { RequestCounts } from "../../src/http/request-counts.ts";
import { Seats } from "../../src/streaming/seats.ts";

/** A process, and what it is told. */
class Process implements Others {
  readonly #relay: Relay<Process>;
  readonly #listeners: ((note: Note) => void)[] = [];

  constructor(relay: Relay<Process>) {
    this.#relay = relay;
  }

  note = (note: Note) => this.#relay.pass(this, [note]);
  onNote = (hear: (note: Note) => void) => void this.#listeners.push(hear);
  hear = (notes: readonly Note[]) => {
    for (const note of notes) for (const hear of this.#listeners) hear(note);
  };
}

function begin(relay: Relay<Process>) {
  const process = new Process(relay);
  const seats = new Seats(3, process);
  const counts = new RequestCounts(process, 60_000, 2);
  relay.add(process);
  const count = (name: string): number => {
    let seen = 0;
    counts.incr(name, (_, result) => (seen = result?.current ?? 0), 60_000, 10);
    return seen;
  };
  return { process, seats, count };
}

const newRelay = () => new Relay<Process>((process, notes) => process.hear(notes));

describe("processes of one server", () => {
  it("count an address's requests together, and remember so many addresses", () => {
    const relay = newRelay();
    const [one, other] = [begin(relay), begin(relay)];
    expect([one.count("a"), other.count("a"), other.count("a"), one.count("a")]).toEqual([
      1, 2, 3, 4,
    ]);
    expect([one.count("b"), one.count("c"), other.count("a")]).toEqual([1, 1, 1]);
  });

  it("take the addresses of one network of IPv6 for one, as far as live connections are bounded", () => {
    const { seats } = begin(newRelay());
    for (const host of [1, 2, 3]) seats.take(`2001:db8:0:1::${host}`);
    expect(seats.hasRoom("2001:db8:0:1::4")).toBe(false);
    expect(seats.hasRoom("2001:db8:0:2::4")).toBe(true);
  });

  it("have so many live connections of one address together, and those of one that is gone are free", () => {
    const relay = newRelay();
    const [one, other] = [begin(relay), begin(relay)];
    const free = one.seats.take("a");
    one.seats.take("a");
    other.seats.take("a");
    const late = begin(relay);
    for (const { seats } of [one, other, late]) expect(seats.hasRoom("a")).toBe(false);
    expect(() => late.seats.take("a")).toThrow("3 live connections");
    free();
    for (const { seats } of [one, other, late]) expect(seats.hasRoom("a")).toBe(true);
    late.seats.take("a");
    relay.remove(one.process);
    expect([late.seats.hasRoom("a"), late.seats.taken, other.seats.taken]).toEqual([true, 1, 1]);
  });
});

function metric(type: string, value: number) {
  const values = [{ value, labels: {} }];
  return { name: type, help: "", type, aggregator: "sum", values };
}

describe("a tally", () => {
  it("keeps what those have counted that are gone, and forgets what they measured", async () => {
    const tally = new Tally<string>();
    for (const name of ["a", "b", "c"])
      tally.note(name, [metric("counter", 2), metric("gauge", 5)]);
    tally.retire("a");
    tally.retire("b");
    tally.retire("never told");
    const sums = (await tally.read()).flat().map((one) => JSON.parse(JSON.stringify(one)));
    const sumOf = (wanted: string): number =>
      sums
        .filter(({ type }) => type === wanted)
        .reduce((sum, { values }) => sum + values[0].value, 0);
    expect([sumOf("counter"), sumOf("gauge")]).toEqual([6, 5]);
  });
});
