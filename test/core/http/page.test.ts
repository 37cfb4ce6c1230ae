import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PAGE_CSP, PAGE_HTML } from "../../../core/http/page/generated.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

test("GET / serves the page with a policy that allows its own script and style and nothing else", async () => {
  const { get } = createScriptedApp();
  const response = await get("/");
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/^default-src 'none'; /);
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  expect(policy).toContain("frame-ancestors 'none'");
  const html = await response.text();
  for (const tag of ["script", "style"]) {
    const blocks = [...html.matchAll(new RegExp(`<${tag}(?: [^>]*)?>([^]*?)</${tag}>`, "g"))];
    // Beside its script the page has a map of imports.
    expect(blocks).toHaveLength(tag === "script" ? 2 : 1);
    const digests = blocks.map(([, text]) => createHash("sha256").update(text!).digest("base64"));
    expect(policy).toContain(`${tag}-src ${digests.map((one) => `'sha256-${one}'`).join(" ")}; `);
  }
});

test("generated.ts is what scripts/embed-page.mjs makes of page.html", async () => {
  const html = read("core/http/page/page.html");
  const stale = "core/http/page/generated.ts is stale: run node scripts/embed-page.mjs";
  const script = new URL("../../../scripts/embed-page.mjs", import.meta.url).href;
  const { embedPage } = (await import(script)) as { embedPage: (html: string) => string };
  expect(read("core/http/page/generated.ts") === embedPage(html), stale).toBe(true);
  expect(PAGE_HTML === html, stale).toBe(true);
  expect(PAGE_CSP).toContain("sha256-");
});

test("the page loads nothing from elsewhere and makes no HTML from text", () => {
  expect(/<(script|link|img|iframe)[^>]+(src|href)="(?!data:)/.exec(PAGE_HTML)).toBeNull();
  expect(
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/.exec(PAGE_HTML),
  ).toBeNull();
  expect(/ style="| on[a-z]+="/.exec(PAGE_HTML)).toBeNull();
});

test("everything on the page that takes input has a label", () => {
  for (const [, tag, id] of PAGE_HTML.matchAll(/<(textarea|select|input)[^>]*\sid="([^"]+)"/g)) {
    const named = new RegExp(`<label[^>]*\\sfor="${id}"|<label[^>]*>[^<]*<${tag}[^>]*id="${id}"`);
    expect(named.test(PAGE_HTML), `${tag} ${id}`).toBe(true);
  }
});
