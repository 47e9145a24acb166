import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { Readable } from "node:stream";
import { expect, it, vi } from "vitest";
import { leaveRoom } from "../../src/lib/disk.ts";

vi.mock(import("node:fs/promises"), { spy: true });

const disk = (free: number) => ({ bavail: free, blocks: 1000, bsize: 1_000_000 });
const pieces = () => Readable.from([1, 2, 3].map(() => Buffer.alloc(5_000_000)));

async function lengthOf(written: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const piece of written) length += piece.length;
  return length;
}

it("passes on what leaves a tenth of the disk free", async () => {
  vi.mocked(statfs).mockResolvedValue(disk(100) as never);
  expect(await lengthOf(leaveRoom(pieces(), tmpdir()))).toBe(15_000_000);
});

it("ends once it would take more, and says what to do", async () => {
  vi.mocked(statfs)
    .mockResolvedValueOnce(disk(100) as never)
    .mockResolvedValueOnce(disk(99) as never);
  await expect(lengthOf(leaveRoom(pieces(), tmpdir()))).rejects.toMatchObject({
    code: "disk_full",
    message: expect.stringMatching(/^99 MB of .* 100 MB are kept.*delete results/) as string,
  });
});
