// A load in a process of its own: takes a LoadSpec as its first message, "stop" as its second; answers a LoadResult.

import { Load, type LoadSpec } from "./load.ts";

let load: Load | undefined;

process.once("disconnect", () => process.exit());

process.on("message", (message: LoadSpec | "stop") => {
  if (message === "stop") load?.stop();
  else void run(message);
});

async function run(spec: LoadSpec): Promise<void> {
  load = new Load(spec);
  const result = await load.run();
  process.send!(result, () => process.disconnect());
}
