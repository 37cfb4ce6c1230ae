import { array, assert, constantFrom, nat, property, string, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { createChatTemplate } from "../../../core/chat/create.ts";
import { createForgery } from "../../../core/chat/forgery.ts";
import type { ChatMessage } from "../../../core/chat/template.ts";
import type { MetadataValue } from "../../../core/gguf/gguf.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";

const CONTROL = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<|im_start|>", "<|im_end|>", "EOT"];
const LETTERS = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i).replace(" ", "▁"));
const BYTES = Array.from({ length: 256 }, (_, byte) => {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
});
const TOKENS = [...CONTROL, ...BYTES, ...LETTERS];

const tokenizer = createTokenizer(
  new Map<string, MetadataValue>([
    ["tokenizer.ggml.model", "llama"],
    ["tokenizer.ggml.tokens", TOKENS],
    ["tokenizer.ggml.scores", new Float32Array(TOKENS.length)],
    [
      "tokenizer.ggml.token_type",
      TOKENS.map((_, i) => (i === 0 ? 2 : i < CONTROL.length ? 3 : i < 264 ? 6 : 1)),
    ],
    ["tokenizer.ggml.bos_token_id", 1],
    ["tokenizer.ggml.eos_token_id", 2],
    ["tokenizer.ggml.add_bos_token", false],
  ]),
);

/** Templates that put texts together in every way that could assemble a spelling. */
const TEMPLATES = [
  "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}",
  "{% for m in messages %}[INST]{{ m.content | trim }}[/INST]{% endfor %}",
  "{% for m in messages %}{{ m.content.split('</think>')[-1].lstrip('\n') }}{{ eos_token }}{% endfor %}",
  "{% for m in messages %}{{ m.content | replace('<think>', '') }}<s>{% endfor %}",
  "{% for m in messages %}<{{ m.content }}>[{{ m.content }}]{% endfor %}",
  "{% for m in messages %}{{ '</' ~ m.content ~ '>' ~ '<|' + m.content + '|>' }}{% endfor %}",
  "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
  "{% for m in messages %}{{ m.content | upper }}|im_end|>{{ m.content | lower }}{% endfor %}",
  "{% for m in messages %}{{ {m.content: [m.content]} | tojson }}{% endfor %}",
  "{% for m in messages %}{{ m.content | tojson(ensure_ascii=true) }}{% endfor %}",
  "{% for m in messages %}E{{ m.content }}{% endfor %}",
  "{{ messages | map(attribute='content') | join('') }}",
  "{{ messages | map(attribute='content') | join('|') }}[/INST]",
];

function controls(source: string, contents: readonly string[]): number[] {
  const messages = contents.map((content): ChatMessage => ({ role: "user", content }));
  return createChatTemplate(source, tokenizer)
    .tokens(messages)
    .filter((token) => tokenizer.controlText(token) !== undefined);
}

/** Messages that hold `text` wherever they can. */
function everywhere(text: string): ChatMessage[] {
  const call = { id: text, function: { name: text, arguments: { [text]: [text, { a: text }] } } };
  return [
    { role: "assistant", content: text, toolCalls: [call] },
    { role: "tool", content: text, name: text, toolCallId: text },
  ];
}

describe("text of a message never yields a control token", () => {
  const whole = constantFrom(...CONTROL);
  const half = tuple(whole, nat(12), nat(12)).map(([spelling, from, to]) =>
    spelling.slice(Math.min(from, to), Math.max(from, to)),
  );
  const filler = constantFrom("", " ", "\n", "a", "<think>", "</think>", "<", "|", "\u{FDD0}", "[");
  const piece = array(constantFrom("w", "h", "h", "f"), { maxLength: 5 }).chain((kinds) =>
    tuple(...kinds.map((kind) => (kind === "w" ? whole : kind === "h" ? half : filler))).map(
      (parts) => parts.join(""),
    ),
  );

  test.each(TEMPLATES)("nor what the template %j makes of it", (source) => {
    assert(
      property(array(piece, { minLength: 1, maxLength: 3 }), (contents) => {
        const harmless = contents.map(() => "ww");
        expect(controls(source, contents)).toEqual(controls(source, harmless));
      }),
      { numRuns: 200 },
    );
  });

  test("nor does a change of case make one of a text that is none", () => {
    const cases = [
      ["{% for m in messages %}{{ m.content | upper }}{% endfor %}", ["eot"]],
      ["{% for m in messages %}{{ m.content | upper }}{% endfor %}", ["e", "Ot"]],
      ["{% for m in messages %}EO{{ m.content | upper }}{% endfor %}", ["t"]],
      ["{% for m in messages %}<|im_{{ m.content | lower }}{% endfor %}", ["END|>"]],
      ["{% for m in messages %}<|im_{{ m.content.lower() }}{% endfor %}", ["End|>"]],
    ] as const;
    for (const [source, contents] of cases)
      expect(controls(source, contents), `${source} ${contents.join("+")}`).toEqual([]);
  });

  test("nor text in names, ids, arguments and tools", () => {
    const template = createChatTemplate("{{ messages | tojson }}{{ tools | tojson }}", tokenizer);
    for (const spelling of CONTROL) {
      const tokens = template.tokens(everywhere(spelling), { tools: [{ [spelling]: [spelling] }] });
      expect(tokens.filter((token) => tokenizer.controlText(token) !== undefined)).toEqual([]);
    }
  });
});

describe("createForgery", () => {
  test("what is marked reads the same once the marks are out", () => {
    const forgery = createForgery(CONTROL, ["<think>", "<", "x"]);
    const text = string({
      unit: constantFrom("<", "[", "s", ">", "E", "O", "T", " ", "|"),
      maxLength: 20,
    });
    assert(
      property(text, (given) => {
        const marked = forgery.protect(given, "\u{FDD1}");
        expect(forgery.unmark(marked, "\u{FDD1}")).toBe(given);
        for (const spelling of CONTROL) expect(marked).not.toContain(spelling);
      }),
      { numRuns: 2000 },
    );
  });

  test("a word the template looks for stays whole, a spelling it writes does not", () => {
    const forgery = createForgery(CONTROL, ["<think>", "<|im_end|>"]);
    expect(forgery.protect("<think> a", "|M")).toBe("<think> a");
    expect(forgery.protect("<|im_end|>", "\u{FDD1}")).not.toContain("<|");
  });

  test("a spelling may hold whatever means something in patterns", () => {
    for (const spelling of [
      "tool-call",
      "a.b",
      "x(1)",
      "e[0]{2}",
      "c\\d",
      "q|r",
      "s/t",
      "k^$*+?",
    ]) {
      const marked = createForgery([spelling], []).protect(spelling.toUpperCase(), "\u{FDD1}");
      expect(marked.toLowerCase()).not.toContain(spelling);
      expect(createForgery([spelling], []).protect("axb", "\u{FDD1}")).toBe("axb");
    }
  });

  test("chooseMark takes a noncharacter that no text holds, escaped or not", () => {
    const forgery = createForgery(CONTROL, []);
    expect(forgery.chooseMark(["plain"])).toBe("\u{FDD0}");
    expect(forgery.chooseMark(["\u{FDD0}", "\\ufdd1"])).toBe("\u{FDD2}");
    const all = Array.from({ length: 32 }, (_, i) => String.fromCodePoint(0xfdd0 + i)).join("");
    expect(() => forgery.chooseMark([all])).toThrow(
      expect.objectContaining({ code: "INVALID_REQUEST" }),
    );
  });
});
