/** The document's chapters: what each is about, and the first words of the paths in it. */
const chapters = {
  Uploads: ["What nodes and webhooks send", ""],
  Readings: [
    "What was measured, as time series, files and events",
    "sensor sensor_json power teros readings live export.csv data-availability catalog equations status",
  ],
  Cells: ["Where is measured, who may see it, and its tags", "cell users tag tags"],
  Loggers: ["What measures, and its upload keys", "logger"],
  Accounts: ["Logging in, and keys of scripts", "auth oauth session user apikey keys"],
  Quarantine: ["Uploads that could not be placed", "quarantine"],
  Tasks: ["Long work: exports and imports", "tasks imports"],
  Operation: [
    "How the server is, and what was done",
    "api healthz readyz metrics audit openapi.json docs",
  ],
} as const;

/** As the document lists them. */
export const tags = Object.entries(chapters).map(([name, [description]]) => ({
  name,
  description,
}));

const byWord = new Map(
  Object.entries(chapters).flatMap(([name, [, words]]) =>
    words.split(" ").map((word) => [word, name] as const),
  ),
);

/** The chapter that a route belongs to. @throws Error for one that no chapter has */
export function tagOf(path: string, isDoor = false): string {
  if (isDoor) return "Uploads";
  const word = path.replace(/^\/api\/(?=.)/, "/").split("/")[1]!;
  const tag = byWord.get(word);
  if (tag === undefined) throw new Error(`no chapter of the API document is about ${path}`);
  return tag;
}
