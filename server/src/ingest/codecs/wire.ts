import {
  fromBinary,
  ScalarType,
  type DescField,
  type DescMessage,
  type MessageShape,
} from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { undecodable } from "../refusal.ts";

const deepest = 16;

/**
 * Decodes a protobuf message strictly: truncated messages and fields of the wrong wire type are refused.
 * The library reads a known field by its schema alone, so that the bytes of another message would come out as
 * plausible numbers.
 *
 * @throws Refusal when the bytes are not such a message
 */
export function decodeMessage<Desc extends DescMessage>(
  schema: Desc,
  payload: Uint8Array,
): MessageShape<Desc> {
  try {
    checkWireTypes(schema, new BinaryReader(payload), payload.length, deepest);
    return fromBinary(schema, payload, { readUnknownFields: false });
  } catch (cause) {
    throw undecodable(`a protobuf ${schema.name}`, cause);
  }
}

function checkWireTypes(
  schema: DescMessage,
  reader: BinaryReader,
  end: number,
  depth: number,
): void {
  const fields = fieldsOf(schema);
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const field = fields.get(number);
    if (!field) {
      reader.skip(wireType, number, depth);
      continue;
    }
    if (wireType !== wireTypeOf(field))
      throw new Error(`field ${number} has wire type ${wireType}`);
    if (field.message) checkNested(field.message, reader, end, depth);
    else reader.skip(wireType, number, depth);
  }
  if (reader.pos !== end) throw new Error("a field goes past the end of its message");
}

function checkNested(schema: DescMessage, reader: BinaryReader, end: number, depth: number): void {
  const length = reader.uint32();
  if (reader.pos + length > end) throw new Error("a message goes past the end of its parent");
  checkWireTypes(schema, reader, reader.pos + length, depth - 1);
}

const fieldsOfSchema = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(schema: DescMessage): ReadonlyMap<number, DescField> {
  let fields = fieldsOfSchema.get(schema);
  if (!fields) {
    fields = new Map(schema.fields.map((field) => [field.number, field]));
    fieldsOfSchema.set(schema, fields);
  }
  return fields;
}

/** Our messages hold integers, doubles and messages, and no packed lists. */
function wireTypeOf(field: DescField): WireType {
  if (field.message) return WireType.LengthDelimited;
  return field.scalar === ScalarType.DOUBLE ? WireType.Bit64 : WireType.Varint;
}
