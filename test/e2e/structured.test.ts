import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";

const MODEL = "sirocco-demo.q8_0";
const messages = [{ role: "user", content: "What is the weather in Rome?" }] as const;

const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city",
    parameters: {
      type: "object",
      properties: {
        city: { enum: ["Rome", "Oslo"] },
        days: { type: "integer", minimum: 1, maximum: 7 },
      },
      required: ["city", "days"],
      additionalProperties: false,
    },
  },
} as const;

const clock = { type: "function", function: { name: "clock" } } as const;

function check(call: { name: string; arguments: string }): void {
  const given = JSON.parse(call.arguments) as Record<string, unknown>;
  if (call.name === "clock") {
    expect(given).toEqual({});
    return;
  }
  expect(call.name).toBe("get_weather");
  expect(Object.keys(given)).toEqual(["city", "days"]);
  expect(["Rome", "Oslo"]).toContain(given["city"]);
  expect([1, 2, 3, 4, 5, 6, 7]).toContain(given["days"]);
}

function isValid(text: string): void {
  const value = JSON.parse(text) as { warm: unknown; degrees: number };
  expect(typeof value.warm).toBe("boolean");
  expect(value.degrees).toBeGreaterThanOrEqual(-90);
  expect(value.degrees).toBeLessThanOrEqual(60);
}

describe("the openai client", () => {
  let server: ServerProcess;
  let client: OpenAI;

  beforeAll(async () => {
    server = await startServer(["--alias", MODEL]);
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });

  afterAll(async () => {
    await server?.stop();
  });

  const ask = { model: MODEL, messages: [...messages], max_tokens: 200, temperature: 1 };

  test("gets JSON by a schema, whole and streamed", async () => {
    const response_format = {
      type: "json_schema",
      json_schema: {
        name: "answer",
        strict: true,
        schema: {
          type: "object",
          properties: {
            warm: { type: "boolean" },
            degrees: { type: "number", minimum: -90, maximum: 60 },
          },
          required: ["warm", "degrees"],
          additionalProperties: false,
        },
      },
    } as const;
    const completion = await client.chat.completions.create({ ...ask, response_format, seed: 3 });
    expect(completion.choices[0]!.finish_reason).toBe("stop");
    isValid(completion.choices[0]!.message.content!);

    const stream = await client.chat.completions.create({
      ...ask,
      response_format,
      seed: 3,
      stream: true,
    });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toBe(completion.choices[0]!.message.content);
  });

  test("gets any JSON object, a regular expression and a grammar", async () => {
    const object = await client.chat.completions.create({
      ...ask,
      response_format: { type: "json_object" },
      max_tokens: 60,
      seed: 8,
    });
    const { content } = object.choices[0]!.message;
    expect(typeof JSON.parse(content!)).toBe("object");
    const more = { structured_outputs: { regex: "(warm|cold), \\d{1,2} degrees" } };
    const regex = await client.chat.completions.create({ ...ask, ...more });
    expect(regex.choices[0]!.message.content).toMatch(/^(warm|cold), \d{1,2} degrees$/);
    const gbnf = { grammar: 'root ::= ("sun" | "rain") ("," root)?' };
    const grammar = await client.completions.create({
      model: MODEL,
      prompt: "Weather: ",
      max_tokens: 60,
      ...gbnf,
    });
    expect(grammar.choices[0]!.text).toMatch(/^(sun|rain)(,(sun|rain))*$/);
  });

  test("is refused where max_tokens holds no answer of the form", async () => {
    for (const stream of [false, true]) {
      const refused = client.chat.completions.create({
        ...ask,
        response_format: { type: "json_object" },
        max_tokens: 1,
        stream,
      });
      await expect(refused).rejects.toMatchObject({ status: 400, param: "max_tokens" });
    }
  });

  test.each(["required", { type: "function", function: { name: "get_weather" } }] as const)(
    "gets calls that it can make with tool_choice %o",
    async (tool_choice) => {
      for (const seed of [1, 2, 3]) {
        const completion = await client.chat.completions.create({
          ...ask,
          tools: [weather, clock],
          tool_choice,
          seed,
        });
        const [choice] = completion.choices;
        expect(choice).toMatchObject({ finish_reason: "tool_calls", message: { content: null } });
        const calls = choice!.message.tool_calls!;
        expect(calls.length).toBeGreaterThan(0);
        for (const call of calls) {
          expect(call.id).toMatch(/^\w{9}$/);
          if (call.type === "function") check(call.function);
        }
      }
    },
  );

  test("gets a call in pieces, puts them together and answers it", async () => {
    const stream = client.chat.completions.stream({
      ...ask,
      tools: [weather],
      tool_choice: "required",
      parallel_tool_calls: false,
      seed: 4,
    });
    let pieces = 0;
    for await (const chunk of stream) pieces += chunk.choices[0]?.delta.tool_calls?.length ?? 0;
    expect(pieces).toBeGreaterThan(3);
    const { choices } = await stream.finalChatCompletion();
    const { message, finish_reason } = choices[0]!;
    expect(finish_reason).toBe("tool_calls");
    const [call, ...others] = message.tool_calls!;
    expect(others).toEqual([]);
    if (call?.type !== "function") throw new Error("no function");
    check(call.function);
    const next = await client.chat.completions.create({
      ...ask,
      messages: [
        ...messages,
        { role: "assistant", content: null, tool_calls: [call] },
        { role: "tool", tool_call_id: call.id, content: '{"sky": "clear"}' },
      ],
      tools: [weather],
      temperature: 0,
    });
    expect(["stop", "tool_calls", "length"]).toContain(next.choices[0]!.finish_reason);
  });

  test("lets the model decide with auto, and calls nothing with none", async () => {
    for (const seed of [1, 2, 3, 4]) {
      const auto = await client.chat.completions.create({ ...ask, tools: [weather, clock], seed });
      const { message, finish_reason } = auto.choices[0]!;
      const calls = message.tool_calls ?? [];
      if (finish_reason !== "length")
        expect(finish_reason).toBe(calls.length > 0 ? "tool_calls" : "stop");
      if (finish_reason === "tool_calls") {
        for (const call of calls) if (call.type === "function") check(call.function);
      }
    }
    const none = await client.chat.completions.create({
      ...ask,
      tools: [weather],
      tool_choice: "none",
    });
    expect(none.choices[0]!.message.tool_calls).toBeUndefined();
  });

  test.each([
    [
      "response_format.json_schema.schema.properties.a.unevaluatedItems",
      {
        response_format: {
          type: "json_schema",
          json_schema: { name: "x", schema: { properties: { a: { unevaluatedItems: false } } } },
        },
      },
    ],
    [
      "tools[0].function.parameters.properties.a.uniqueItems",
      {
        tools: [
          {
            type: "function",
            function: {
              name: "f",
              parameters: { properties: { a: { type: "array", uniqueItems: true } } },
            },
          },
        ],
        tool_choice: "required",
      },
    ],
    ["structured_outputs.regex", { structured_outputs: { regex: "(a)\\1" } }],
    ["response_format", { response_format: { type: "json_object" }, tools: [clock] }],
  ])("is told by name what cannot be enforced: %s", async (param, more) => {
    const asked = client.chat.completions.create({ ...ask, ...(more as object) });
    await expect(asked).rejects.toMatchObject({
      status: 400,
      code: "unsupported_parameter",
      param,
    });
  });

  test.each([
    ["tool_choice", { tool_choice: "required" }],
    [
      "tool_choice.function.name",
      { tools: [clock], tool_choice: { type: "function", function: { name: "other" } } },
    ],
    ["tools[1].function.name", { tools: [clock, clock] }],
    ["tools", { tools: [] }],
    ["structured_outputs.regex", { structured_outputs: { regex: "(" } }],
    ["grammar", { grammar: "root ::= root" }],
    ["grammar", { grammar: 'root ::= "a"', response_format: { type: "json_object" } }],
  ])("is told by name what makes no sense: %s", async (param, more) => {
    const asked = client.chat.completions.create({ ...ask, ...(more as object) });
    await expect(asked).rejects.toMatchObject({ status: 400, code: null, param });
  });
});
