import { afterEach, describe, expect, test } from "vitest";
import { parseConfig } from "../../adapters/node/config/read-config.ts";
import { createScriptedApp } from "../fixtures/scripted-app.ts";

const NAMES = ["__proto__", "constructor", "prototype"];

afterEach(() => {
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

describe("19 no JSON reaches a prototype", () => {
  test.each(NAMES)("a configuration with %s is refused, at any depth", (name) => {
    for (const text of [
      `{"${name}": {"polluted": 1}}`,
      `{"limits": {"${name}": {"polluted": 1}}}`,
      `{"keys": [{"${name}": {"polluted": 1}}]}`,
    ]) {
      expect(() => parseConfig(text, "f")).toThrow(`'${name}' cannot be the name of a setting`);
    }
  });

  test.each(NAMES)("a request with %s pollutes nothing, wherever it stands", async (name) => {
    const { post } = createScriptedApp({ reply: "x" });
    const hostile = `"${name}": {"polluted": 1}`;
    for (const body of [
      `{"model": "m", "messages": [{"role": "user", "content": "hi"}], ${hostile}}`,
      `{"model": "m", "messages": [{"role": "user", "content": "hi", ${hostile}}]}`,
      `{"model": "m", "messages": [{"role": "user", "content": "hi"}], "logit_bias": {${hostile}}}`,
    ]) {
      expect([200, 400]).toContain((await post("/v1/chat/completions", body)).status);
    }
  });
});
