import type { InjectOptions, LightMyRequestResponse } from "fastify";
import type { TestApi } from "./api.ts";

/** Keeps cookies as a browser does, and sends them to every path. */
export class Browser {
  readonly #api: Pick<TestApi, "inject">;
  readonly cookies = new Map<string, string>();

  constructor(api: Pick<TestApi, "inject">) {
    this.#api = api;
  }

  async get(url: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
    return await this.send({ method: "GET", url, headers });
  }

  async post(
    url: string,
    payload: object,
    headers: Record<string, string> = {},
  ): Promise<LightMyRequestResponse> {
    return await this.send({ method: "POST", url, payload, headers });
  }

  async send(options: InjectOptions): Promise<LightMyRequestResponse> {
    const cookies = Object.fromEntries(this.cookies);
    const answer = await this.#api.inject({ ...options, cookies });
    for (const { name, value, maxAge, expires } of answer.cookies) {
      if (maxAge === 0 || (expires && expires.getTime() === 0)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }
}
