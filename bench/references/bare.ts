// What the framework alone can do on this machine: takes an upload's body as bytes, and answers 200 without looking.

import { fastify } from "fastify";
import { announce } from "./announce.ts";

const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.post("/api/sensor/", (_request, reply) => reply.send());
await announce(app);
