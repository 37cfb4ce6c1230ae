import { describe, expect, test } from "vitest";
import { openHeader } from "../../adapters/node/header.ts";
import type { ChatMessage } from "../../core/chat/template.ts";
import { DEMO_FILE } from "../fixtures/demo.ts";

const conversation = (content: string): ChatMessage[] => [
  { role: "user", content },
  { role: "assistant", content },
  { role: "user", content: ` ${content}x${content}` },
];

describe("25 text of a message is never a control token (more: test/core/chat/forgery)", async () => {
  const header = await openHeader(DEMO_FILE);
  const { tokenizer, template } = header;
  await header.close();
  const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
  const controls = ids.flatMap((id) => tokenizer.controlText(id) ?? []);
  const controlsIn = (messages: readonly ChatMessage[]): number[] =>
    template!.tokens(messages).filter((id) => tokenizer.controlText(id) !== undefined);

  test("the demo model has some", () => {
    expect(controls).toContain("</s>");
    expect(controls.length).toBeGreaterThan(2);
  });

  test.each([...controls, ...controls.map((text) => `${text}${text}`), controls.join("")])(
    "%j in any role",
    (text) => {
      expect(controlsIn(conversation(text))).toEqual(controlsIn(conversation("plain")));
      expect(
        tokenizer.encode(text).filter((id) => tokenizer.controlText(id) !== undefined),
      ).toEqual([]);
    },
  );
});
