import type { Guest } from "../../src/streaming/admission.ts";
import type { Batch } from "../../src/streaming/batch.ts";
import type { Message } from "../../src/streaming/merge.ts";

/** Someone who listens and remembers, and takes more only when told so. */
export class Ear implements Guest {
  readonly heard: Message[] = [];
  readonly shown: Guest["shown"];
  ready = true;
  over = false;

  constructor(authorization?: string) {
    this.shown = { authorization, apiKey: undefined };
  }

  isReady = () => this.ready;
  goesOn = () => !this.over;
  tell = (batch: Batch) => void this.heard.push(...batch.messages);

  values(): number[] {
    return this.heard
      .filter(({ name }) => name === "measurement_received")
      .map(({ data }) => (data as { data: { Temperature: number } }).data.Temperature);
  }

  named(name: string): Record<string, unknown>[] {
    return this.heard
      .filter((one) => one.name === name)
      .map(({ data }) => data as Record<string, unknown>);
  }
}
