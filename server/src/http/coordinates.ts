import type { preValidationHookHandler } from "fastify";
import { readText } from "./form.ts";

const names = ["latitude", "longitude", "lat", "long"];

/** The dashboard sends coordinates as what stands in its fields: texts, in JSON too. An empty one is none. */
export const readCoordinates: preValidationHookHandler = (request, _reply, done) => {
  const { body } = request;
  if (typeof body === "object" && body !== null && !Array.isArray(body))
    request.body = Object.fromEntries(
      Object.entries(body).map(([name, value]: [string, unknown]) => [
        name,
        names.includes(name) && typeof value === "string" ? readCoordinate(value) : value,
      ]),
    );
  done();
};

function readCoordinate(text: string): unknown {
  return text.trim() === "" ? null : readText({ type: "number" }, text);
}
