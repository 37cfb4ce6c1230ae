import { describe, expect, test } from "vitest";
import { printable } from "../../adapters/node/cli/terminal.ts";
import { createScriptedApp } from "../fixtures/scripted-app.ts";

const ESCAPES = [
  "\u001B[2J",
  "\u001B]0;title\u0007",
  "\u009B31m",
  "\u001B]8;;http://evil\u0007",
  "a\rb",
  "a\bb",
  "\u202Eevil",
  "\u2066x",
  "\u0000",
];

describe("28 output of models and clients steers neither terminals nor logs", () => {
  test.each(ESCAPES)("printable takes the control out of %j", (text) => {
    const shown = printable(text).replaceAll(/[\t\n]/g, "");
    expect(shown).not.toMatch(/\p{Cc}|[\u202A-\u202E\u2066-\u2069]/u);
    expect(printable("plain text, ümläut 漢字\n\t")).toBe("plain text, ümläut 漢字\n\t");
  });

  test("a client cannot forge a line of the log or a header", async () => {
    const { get, logs } = createScriptedApp();
    const response = await get("/v1/models?x=1", {
      headers: { "x-request-id": 'id"} {"level":"error"', traceparent: "00-evil-evil-01" },
    });
    expect(response.headers.get("x-request-id")).toBe("idlevel:error");
    await get("/v1/%0d%0aset-cookie:x");
    for (const record of logs) {
      expect(JSON.stringify(record).split("\n")).toHaveLength(1);
      expect(record["path"]).not.toMatch(/[\r\n]/);
    }
    expect(JSON.stringify(logs)).not.toContain("evil");
  });

  test("an answer with markup is JSON and is not sniffed as anything else", async () => {
    const { post } = createScriptedApp({ reply: "<script>alert(1)</script>" });
    const response = await post("/v1/completions", { model: "m", prompt: "x" });
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  });
});
