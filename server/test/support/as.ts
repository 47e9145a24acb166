import type { LightMyRequestResponse } from "fastify";
import type { TestApi } from "./api.ts";
import type { TestUser } from "./users.ts";

/** The API as someone uses it; undefined is nobody. */
export interface Client {
  get(url: string): Promise<LightMyRequestResponse>;
  post(url: string, body: object): Promise<LightMyRequestResponse>;
  put(url: string, body?: object): Promise<LightMyRequestResponse>;
  delete(url: string): Promise<LightMyRequestResponse>;
  form(
    method: "POST" | "PUT",
    url: string,
    fields: Readonly<Record<string, string>>,
  ): Promise<LightMyRequestResponse>;
}

/** The API as someone uses it. */
export function as(api: TestApi, who: { readonly headers: object } | TestUser | undefined): Client {
  const headers: Record<string, string> = { ...who?.headers };
  return {
    get: async (url) => await api.inject({ method: "GET", url, headers }),
    post: async (url, payload) => await api.inject({ method: "POST", url, headers, payload }),
    put: async (url, payload) =>
      await api.inject({ method: "PUT", url, headers, ...(payload && { payload }) }),
    delete: async (url) => await api.inject({ method: "DELETE", url, headers }),
    form: async (method, url, fields) =>
      await api.inject({
        method,
        url,
        headers: { ...headers, "content-type": "application/x-www-form-urlencoded" },
        payload: new URLSearchParams(fields).toString(),
      }),
  };
}
