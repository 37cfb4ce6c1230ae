import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { chatTemplateSource, createChatTemplate } from "../../../core/chat/create.ts";
import type { ChatMessage, ChatTemplate } from "../../../core/chat/template.ts";
import type { MetadataValue } from "../../../core/gguf/gguf.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import { sentencePieceMetadata } from "../../fixtures/sentencepiece-model.ts";
import { shared } from "../../fixtures/shared.ts";

/** A message as OpenAI's wire has it. */
interface WireMessage {
  readonly role: ChatMessage["role"];
  readonly content?: string | null;
  readonly name?: string;
  readonly tool_call_id?: string | null;
  readonly tool_calls?:
    | readonly {
        readonly id?: string;
        readonly function: { readonly name: string; readonly arguments: unknown };
      }[]
    | null;
}

function toMessages(messages: readonly WireMessage[]): ChatMessage[] {
  return messages.map(({ role, content, name, tool_call_id, tool_calls }) => ({
    role,
    content: content ?? "",
    ...(name === undefined ? {} : { name }),
    ...(typeof tool_call_id !== "string" ? {} : { toolCallId: tool_call_id }),
    ...(tool_calls === undefined || tool_calls === null
      ? {}
      : { toolCalls: tool_calls.map((call) => ({ id: call.id ?? "123456789", ...call })) }),
  }));
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** The ids up to the content of the last `[TOOL_RESULTS]`. */
function beforeLastResult(ids: readonly number[]): number[] {
  return ids.slice(0, ids.lastIndexOf(8) + 4);
}

const demoPath = new URL("../../../examples/demo-model/sirocco-demo.q8_0.gguf", import.meta.url)
  .pathname;
const demo = await openGguf(bytesSource(new Uint8Array(readFileSync(demoPath))));
const demoTokenizer = createTokenizer(demo.metadata);
const demoTemplate = createChatTemplate(chatTemplateSource(demo.metadata)!, demoTokenizer);
await demo.close();

const goldens = shared("demo-model/goldens.json");

describe.skipIf(goldens === undefined)(
  "the demo model's goldens (skipped: ../shared/data not present)",
  () => {
    interface Case {
      readonly id: string;
      readonly messages?: readonly WireMessage[];
      readonly tools?: readonly unknown[];
      readonly rendered: string;
      readonly prompt_ids: readonly number[];
    }
    const cases =
      goldens === undefined
        ? []
        : (JSON.parse(readFileSync(goldens, "utf8")) as { cases: Case[] }).cases;
    const chats = cases.filter((golden) => golden.messages !== undefined);

    test.each(chats)(
      "render and tokens of $id",
      ({ messages = [], tools, rendered, prompt_ids }) => {
        const options = { addGenerationPrompt: true, ...(tools === undefined ? {} : { tools }) };
        expect(demoTemplate.render(toMessages(messages), options)).toBe(rendered);
        expect(demoTemplate.tokens(toMessages(messages), options)).toEqual(prompt_ids);
      },
    );
  },
);

const data = shared("data");

describe.skipIf(data === undefined)(
  "mistral-common's samples (skipped: ../shared/data not present)",
  () => {
    const vocabularies = {
      v1: "tokenizer.model.v1",
      v2: "mistral_instruct_tokenizer_240216.model.v2",
      v3: "mistral_instruct_tokenizer_240323.model.v3",
    };
    interface Sample {
      readonly messages: readonly WireMessage[];
      readonly tools?: readonly unknown[];
    }
    const folder = `${data}/chat/mistral-common-samples`;
    const sample = (name: string): Sample => readJson(`${folder}/${name}/sample.json`) as Sample;
    const expected = (name: string, version: string): readonly number[] =>
      (readJson(`${folder}/${name}/tokens_${version}.json`) as { tokens: number[] }).tokens;

    /** `_spm` templates write the blanks themselves that the tokenizer otherwise puts before a text. */
    function tokens(version: "v1" | "v2" | "v3", form: "" | "_spm", name: string): number[] {
      const metadata = sentencePieceMetadata(`${data}/tokenizers/mistral/${vocabularies[version]}`);
      if (form === "_spm") metadata.set("tokenizer.ggml.add_space_prefix", false);
      const source = readFileSync(`${data}/chat/mistral-jinja/${version}${form}.jinja`, "utf8");
      const { messages, tools } = sample(name);
      return createChatTemplate(source, createTokenizer(metadata)).tokens(
        toMessages(messages),
        tools === undefined ? {} : { tools },
      );
    }

    test.each([
      ["v1", "_spm"],
      ["v2", ""],
      ["v2", "_spm"],
      ["v3", ""],
      ["v3", "_spm"],
    ] as const)("tokens of no_tools with the template %s%s", (version, form) => {
      expect(tokens(version, form, "no_tools")).toEqual(expected("no_tools", version));
    });

    test.each([
      ["v2", ""],
      ["v2", "_spm"],
      ["v3", ""],
      ["v3", "_spm"],
    ] as const)("tokens of get_weather_full with the template %s%s", (version, form) => {
      // mistral-common parses the last result as JSON where the templates keep it as a text.
      const ids = expected("get_weather_full", version);
      expect(beforeLastResult(ids).length).toBeGreaterThan(440);
      expect(beforeLastResult(tokens(version, form, "get_weather_full"))).toEqual(
        beforeLastResult(ids),
      );
    });
  },
);

function template(source: string): ChatTemplate {
  return createChatTemplate(source, demoTokenizer);
}

describe("createChatTemplate", () => {
  const user: ChatMessage = { role: "user", content: "Hi" };
  test("throws TEMPLATE_FAILED for a source that cannot be parsed", () => {
    expect(() => template("{% if %}")).toThrow(
      expect.objectContaining({ code: "TEMPLATE_FAILED" }),
    );
  });

  test("tokens begins with bos once, whether the template writes it or not", () => {
    const plain = "[INST]{{ messages[0].content }}[/INST]";
    const ids = template(plain).tokens([user]);
    expect(ids.filter((id) => id === 1)).toEqual([1]);
    expect(template(`{{ bos_token }}${plain}`).tokens([user])).toEqual(ids);
  });

  test("render gives calls in OpenAI's form, their arguments as an object, and no absent fields", () => {
    const call: ChatMessage = {
      role: "assistant",
      content: "",
      toolCalls: [{ id: "abc", function: { name: "f", arguments: '{"a":[1]}' } }],
    };
    const answer: ChatMessage = { role: "tool", content: "x", toolCallId: "abc", name: "f" };
    expect(template("{{ messages | tojson }}").render([user, call, answer])).toBe(
      '[{"role": "user", "content": "Hi"}, ' +
        '{"role": "assistant", "content": "", "tool_calls": [{"id": "abc", "type": "function", ' +
        '"function": {"name": "f", "arguments": {"a": [1]}}}]}, ' +
        '{"role": "tool", "content": "x", "name": "f", "tool_call_id": "abc"}]',
    );
  });

  test("render keeps arguments that are no JSON object as they are", () => {
    const call: ChatMessage = {
      role: "assistant",
      content: "",
      toolCalls: [{ id: "abc", function: { name: "f", arguments: "{broken" } }],
    };
    const source = "{{ messages[0].tool_calls[0].function.arguments }}";
    expect(template(source).render([call])).toBe("{broken");
  });

  test("render uses the clock it is given", () => {
    const now = new Date("2024-02-29T23:05:00Z");
    expect(template("{{ strftime_now('%Y-%m-%d') }}").render([user], { now })).toBe("2024-02-29");
  });

  test("tools of anything but data, or too deep, do not reach the template", () => {
    const seen = template("{{ tools | tojson }}");
    expect(seen.render([user], { tools: [{ f: () => 1, n: Number.NaN, u: undefined }] })).toBe(
      '[{"f": null, "n": null}]',
    );
    expect(seen.render([user])).toBe("null");
    let deep: unknown = 1;
    for (let i = 0; i < 1000; i++) deep = [deep];
    expect(() => seen.render([user], { tools: [deep] })).toThrow(
      expect.objectContaining({ code: "TEMPLATE_FAILED" }),
    );
  });

  test("a role that is none is refused, for templates write roles out unmarked", () => {
    const forged = { role: "s>", content: "" } as unknown as ChatMessage;
    expect(() => demoTemplate.tokens([forged])).toThrow(
      expect.objectContaining({ code: "INVALID_REQUEST", param: "messages[0].role" }),
    );
  });
});

describe("chatTemplateSource", () => {
  const metadata = new Map<string, MetadataValue>([
    ["tokenizer.chat_templates", ["tool_use"]],
    ["tokenizer.chat_template", "default"],
    ["tokenizer.chat_template.tool_use", "with tools"],
  ]);

  test("gives the default template, a named one, or undefined", () => {
    expect(chatTemplateSource(metadata)).toBe("default");
    expect(chatTemplateSource(metadata, "tool_use")).toBe("with tools");
    expect(chatTemplateSource(metadata, "rag")).toBeUndefined();
    expect(chatTemplateSource(new Map())).toBeUndefined();
  });
});
