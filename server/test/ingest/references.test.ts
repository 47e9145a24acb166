import { describe, expect, it, vi } from "vitest";
import { codecs } from "../../src/ingest/codecs/codecs.ts";
import { findReferences } from "../../src/ingest/references.ts";
import type { About } from "../../src/store/quarantine.ts";
import {
  base64,
  decimal,
  encodeVersion1,
  encodeVersion2,
  unknownSensorType,
  webhook,
} from "../support/messages.ts";

const ts = 1_705_316_400;
const meta = { cellId: 7, loggerId: 8, ts };
const future = encodeVersion2([{ meta, type: unknownSensorType, value: decimal(1) }]);
const form = (text: string) => Buffer.from(text);
const json = (body: unknown) => Buffer.from(JSON.stringify(body));

type Case = readonly [
  name: string,
  format: Parameters<typeof findReferences>[0],
  payload: Uint8Array,
  about: Partial<About>,
];

const cases: readonly Case[] = [
  [
    "version 1",
    "measurement/v1",
    encodeVersion1(meta, { case: "yfs210c", value: { flow: 1 } }),
    { decodes: true, cellIds: [7], loggerNumbers: [8] },
  ],
  [
    "two cells, each once",
    "measurement/v2",
    encodeVersion2(
      [7, 9, 7].map((cellId) => ({ meta: { ...meta, cellId }, type: 1, value: decimal(1) })),
    ),
    { decodes: true, cellIds: [7, 9], loggerNumbers: [8] },
  ],
  [
    "a sensor from the future",
    "measurement/v2",
    future,
    { decodes: false, cellIds: [7], loggerNumbers: [8] },
  ],
  [
    "the same, without the header that says its version",
    "measurement/v1",
    future,
    { cellIds: [7], loggerNumbers: [8] },
  ],
  [
    "the same in a webhook",
    "json",
    json(webhook({ f_port: 2, frm_payload: base64(future) })),
    { cellIds: [7], loggerNumbers: [8], deviceEui: "0080E1150000A001" },
  ],
  [
    "a webhook on a port of its own",
    "json",
    json(webhook({ f_port: 9, frm_payload: "//8=" })),
    { deviceEui: "0080E1150000A001" },
  ],
  [
    "a webhook whose device is none",
    "json",
    json({ end_device_ids: { dev_eui: "x" }, uplink_message: { f_port: 9 } }),
    {},
  ],
  [
    "plain JSON with a missing key",
    "json",
    json({ type: "yfs210c", cellId: 7, loggerId: 8, ts, data: {} }),
    { cellIds: [7], loggerNumbers: [8] },
  ],
  ["JSON with a cell that is none", "json", json({ cellId: -1, loggerId: 1 }), {}],
  [
    "a form that names a cell",
    "power/form",
    form("cell=Plot+7&logger=node&ts=1&v=1&i=1"),
    { decodes: true, cellNames: ["Plot 7"] },
  ],
  ["a form cut short", "teros/form", form("cell=+Plot+7+&ts=1"), { cellNames: ["Plot 7"] }],
  ["bytes that are nothing", "measurement/v2", Buffer.from("ffff", "hex"), {}],
  ["nothing", "measurement/v1", Buffer.alloc(0), {}],
  ["half of a JSON document", "json", form('{"cellId":'), {}],
  ["a format that isn't known", undefined, json({ cellId: 7 }), {}],
];

describe("what an upload is about", () => {
  it.each(cases)("%s", (_, format, payload, about) => {
    const nothing = { decodes: false, cellIds: [], cellNames: [], loggerNumbers: [] };
    expect(findReferences(format, payload)).toEqual({ ...nothing, deviceEui: undefined, ...about });
  });

  it("isn't noted of a message for hundreds of cells, which is nobody's alone", () => {
    const cells = Array.from({ length: 101 }, (_, cellId) => ({
      meta: { ...meta, cellId },
      type: 1,
      value: decimal(1),
    }));
    expect(findReferences("measurement/v2", encodeVersion2(cells))).toMatchObject({
      decodes: true,
      cellIds: [],
    });
  });
});

it("is found as far as it is legible where a codec breaks", () => {
  const broken = vi.spyOn(codecs, "measurement/v2").mockImplementation(() => {
    throw new Error("not thought of");
  });
  try {
    expect(
      findReferences("measurement/v2", encodeVersion2([{ meta, type: 1, value: decimal(1) }])),
    ).toMatchObject({ decodes: false, cellIds: [7], loggerNumbers: [8] });
  } finally {
    broken.mockRestore();
  }
});
