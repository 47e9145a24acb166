import { expect, it } from "vitest";
import { ProgressBar } from "../../src/lib/progress.ts";

it("draws a bar on a terminal, and takes it away for other lines", () => {
  const { bar, written, at } = open({ isTTY: true, totalBytes: 1000 });
  at(0.05).update({ count: 5, bytes: 50 });
  at(10).update({ count: 100, bytes: 250 });
  bar.print("line 7: torn");
  bar.clear();
  expect(written()).toEqual([
    "\r\u001b[KImporting [#####---------------]  25 %  100 rows  10 rows/s  00:30 left",
    "\r\u001b[K",
    "line 7: torn\n",
  ]);
});

it("writes a line every few seconds elsewhere", () => {
  const { written, at } = open({ isTTY: false, totalBytes: 10_000 });
  at(4).update({ count: 1000, bytes: 5 });
  at(5).update({ count: 12_500, bytes: 10 });
  at(6).update({ count: 13_000, bytes: 20 });
  expect(written()).toEqual([
    "Importing [--------------------]   0 %  12,500 rows  2,500 rows/s  1:23:15 left\n",
  ]);
});

it("leaves out what nobody can know of a pipe", () => {
  const { written, at } = open({ isTTY: false, totalBytes: undefined });
  at(10).update({ count: 1000, bytes: 5 });
  expect(written()).toEqual(["Importing  1,000 rows  100 rows/s\n"]);
});

function open({ isTTY, totalBytes }: { isTTY: boolean; totalBytes: number | undefined }) {
  const texts: string[] = [];
  let now = 0;
  const bar = new ProgressBar({
    output: { isTTY, columns: 100, write: (text) => texts.push(text) },
    clock: () => now,
    label: "Importing",
    unit: "rows",
    totalBytes,
  });
  const at = (seconds: number) => {
    now = seconds;
    return bar;
  };
  return { bar, at, written: () => texts };
}
