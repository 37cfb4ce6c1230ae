import { describe, expect, test } from "vitest";
import { createScriptedApp } from "../fixtures/scripted-app.ts";

const FIELDS = [
  "n",
  "max_tokens",
  "max_completion_tokens",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "seed",
  "top_logprobs",
  "presence_penalty",
  "frequency_penalty",
];
const HOSTILE = [
  "1e999",
  "-1e999",
  "9007199254740993",
  "-9007199254740993",
  '"1"',
  "[1]",
  "{}",
  "true",
];

describe("05 every number has bounds, from below and from above", () => {
  test.each(FIELDS)(
    "%s refuses what is out of them, and nothing reaches the engine",
    async (field) => {
      const { post, engine } = createScriptedApp({ reply: "x" });
      const messages = '"messages": [{"role": "user", "content": "hi"}]';
      for (const value of HOSTILE) {
        const response = await post(
          "/v1/chat/completions",
          `{"model": "m", ${messages}, "logprobs": true, "${field}": ${value}}`,
        );
        expect(response.status, `${field}: ${value}`).toBe(400);
        const { error } = await response.json();
        expect(error.param, `${field}: ${value}`).toBe(field);
      }
      expect(engine.requests).toHaveLength(0);
    },
  );
});
