import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../../core/tokenizer/tokenizer.ts";
import { sentencePieceMetadata } from "../../fixtures/sentencepiece-model.ts";
import { shared } from "../../fixtures/shared.ts";
import { growth } from "../../fixtures/growth.ts";

const demoModel = new URL("../../../examples/demo-model/train/tokenizer.model", import.meta.url)
  .pathname;

function decode(
  tokenizer: Tokenizer,
  tokens: readonly number[],
  prompt?: readonly number[],
): string {
  const decoder = tokenizer.decoder(prompt);
  return tokens.map((token) => decoder.push(token)).join("") + decoder.end();
}

describe("the demo model's vocabulary", () => {
  const tokenizer = createTokenizer(sentencePieceMetadata(demoModel));

  test("createTokenizer reads size, bos, eos and stops", () => {
    expect(tokenizer.vocabSize).toBe(2048);
    expect([tokenizer.bos, tokenizer.eos, tokenizer.addBos]).toEqual([1, 2, true]);
    expect([...tokenizer.stops]).toEqual([2]);
  });

  test("encode turns the spelling of a control token into the token only with special", () => {
    expect(tokenizer.encode("[INST]hi[/INST]", { special: true }).filter((t) => t < 10)).toEqual([
      3, 4,
    ]);
    expect(tokenizer.encode("[INST]hi[/INST]</s><s><unk>").every((t) => t >= 10)).toBe(true);
    expect(tokenizer.controlText(3)).toBe("[INST]");
    expect(tokenizer.bytes(3)).toHaveLength(0);
  });

  test("encode of the empty text is empty", () => {
    expect(tokenizer.encode("")).toEqual([]);
  });

  test("encode never merges a byte token out of its spelling", () => {
    const tokens = tokenizer.encode("<0x0A>");
    expect(tokens).not.toContain(tokenizer.encode("\n").at(-1));
    expect(decode(tokenizer, tokens)).toBe("<0x0A>");
  });

  test.each(["plain", "  two  blanks ", "naïve café 数 🙂\n\t", "\u{10FFFF}\u0000", "▁"])(
    "decoding gives back what was encoded: %j",
    (text) => {
      expect(decode(tokenizer, tokenizer.encode(text))).toBe(text.replaceAll("▁", " "));
    },
  );

  test("half a surrogate pair encodes as U+FFFD", () => {
    expect(decode(tokenizer, tokenizer.encode("a\uD800b"))).toBe("a\u{FFFD}b");
  });

  test("decoder drops the blank of a text's first token after a control token and without a prompt", () => {
    const hello = tokenizer.encode("Hello world");
    expect(decode(tokenizer, hello)).toBe("Hello world");
    expect(decode(tokenizer, hello, [1, 3, ...hello, 4])).toBe("Hello world");
    expect(decode(tokenizer, hello, [1])).toBe("Hello world");
  });

  test("decoder keeps the blank when it continues plain text", () => {
    expect(decode(tokenizer, tokenizer.encode("upon"), [1, ...tokenizer.encode("Once")])).toBe(
      " upon",
    );
  });

  test("decoder writes no text for control tokens and starts a new text after them", () => {
    const hi = tokenizer.encode("Hi");
    expect(decode(tokenizer, [...hi, 2, 3, ...hi])).toBe("HiHi");
  });

  test("decode of a token outside the vocabulary is a RangeError", () => {
    expect(() => tokenizer.bytes(2048)).toThrow(RangeError);
    expect(() => tokenizer.decoder().push(-1)).toThrow(RangeError);
  });

  test("encode takes time in proportion to the text for one long word", () => {
    expect(growth((text) => tokenizer.encode(text), 5)).toBeLessThanOrEqual(5);
  });
});

const goldens = shared("demo-model/goldens.json");

describe.skipIf(goldens === undefined)(
  "goldens of the demo model (skipped: ../shared/data not present)",
  () => {
    interface Goldens {
      readonly tokenizer: readonly { text: string; ids: number[] }[];
      readonly cases: readonly {
        id: string;
        rendered: string;
        messages?: unknown;
        prompt_ids: number[];
        greedy_ids: number[];
        greedy_text: string;
      }[];
    }
    const golden: Goldens =
      goldens === undefined
        ? { tokenizer: [], cases: [] }
        : (JSON.parse(readFileSync(goldens, "utf8")) as Goldens);
    const tokenizer = createTokenizer(sentencePieceMetadata(demoModel));

    test("encode gives the ids of every text", () => {
      expect(golden.tokenizer.map(({ text }) => tokenizer.encode(text))).toEqual(
        golden.tokenizer.map(({ ids }) => ids),
      );
    });

    test("encode with special gives the ids of every prompt", () => {
      for (const { id, rendered, prompt_ids } of golden.cases) {
        expect([id, tokenizer.encode(rendered, { special: true })]).toEqual([id, prompt_ids]);
      }
    });

    test("decoder streams every answer; continuations of plain text keep their blank", () => {
      for (const { id, messages, prompt_ids, greedy_ids, greedy_text } of golden.cases) {
        const text = decode(tokenizer, greedy_ids, prompt_ids);
        // The goldens decoded each answer as a text of its own.
        expect([id, messages === undefined ? text.trimStart() : text]).toEqual([id, greedy_text]);
      }
    });
  },
);

const stories = shared("data/goldens/stories260K.golden.json");
const tok512 = shared("data/model-stories260K/tok512.model");

test.skipIf(stories === undefined || tok512 === undefined)(
  "encode gives the stories260K prompt's ids (skipped: ../shared/data not present)",
  () => {
    const golden = JSON.parse(readFileSync(stories!, "utf8")) as {
      greedy: { prompt: string; prompt_ids: number[] }[];
    };
    const tokenizer = createTokenizer(sentencePieceMetadata(tok512!));
    const { prompt, prompt_ids } = golden.greedy[0]!;
    expect([tokenizer.bos, ...tokenizer.encode(prompt)]).toEqual(prompt_ids);
  },
);
