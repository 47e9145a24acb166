import { existsSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { chromium, type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";

const api = useApi();
const programs = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = programs.find((path) => existsSync(path));

describe.skipIf(!executablePath)("/api/docs, where there is a Chromium", () => {
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    await api.app.listen({ port: 0, host: "localhost" });
    url = `http://localhost:${(api.app.server.address() as AddressInfo).port}`;
    browser = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
  });

  it("shows the document and tries a request, asks no other host, and breaks no rule of its own", async () => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    const hosts = new Set<string>();
    page.on("console", (said) => {
      if (said.type() === "error" || said.type() === "warning") complaints.push(said.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol !== "data:") hosts.add(host);
    });
    await page.goto(`${url}/api/docs/#/Operation/getHealth`);
    await page.getByText("ents-backend").first().waitFor();
    await page.getByRole("button", { name: "Try it out" }).click();
    await page.getByRole("button", { name: "Execute" }).click();
    await page.getByText('"ents-backend is up"').first().waitFor();
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([new URL(url).host]);
  });
});

describe("/api/docs", () => {
  it("comes with a policy that lets it load what is here, and nothing else", async () => {
    const { headers } = await api.get("/api/docs");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self'");
  });

  it("has these files, and no other of the library", async () => {
    for (const file of ["begin.js", "swagger-ui-bundle.js", "swagger-ui.css"])
      expect((await api.get(`/api/docs/${file}`)).statusCode).toBe(200);
    for (const file of ["package.json", "..%2fpackage.json", "index.html"])
      expect((await api.get(`/api/docs/${file}`)).statusCode).toBe(400);
  });
});
