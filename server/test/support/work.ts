// A worker with the kinds of the tests: node work.ts DATABASE_URL [REDIS_URL]

import { connect } from "../../src/db/connect.ts";
import { openBell } from "../../src/tasks/bells.ts";
import { Worker } from "../../src/tasks/worker.ts";
import { silentLog as log } from "./log.ts";
import { testKinds as kinds } from "./tasks.ts";

const [url = "", redisUrl] = process.argv.slice(2);
const db = connect(url, log);
const bell = openBell({ db, url }, { redisUrl, log });
const worker = new Worker({ db, bell, kinds, log, name: `test ${process.pid}`, atOnce: 2 });
worker.start();
process.once("SIGTERM", () => {
  void worker.stop().then(() => process.exit());
});
console.log("ready");
