import { existsSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, describe, expect, test } from "vitest";
import { load } from "../../../adapters/node/mod.ts";
import { answer } from "../../../core/answer/answer.ts";
import { chatPrompt } from "../../../core/http/chat.ts";
import { planAnswer } from "../../../core/http/answer-plan.ts";
import type { ServedModel } from "../../../core/http/deps.ts";
import type { Asked } from "../../../core/http/wire/asked.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { joinToolCalls, type ToolCallDelta } from "../../../core/tools/events.ts";
import type { ToolUse } from "../../../core/tools/tools.ts";
import { DEMO_FILE } from "../../fixtures/demo.ts";
import { shared } from "../../fixtures/shared.ts";

/**
 * `SIROCCO_BFCL=all` asks all of the leaderboard's questions instead of the first ones, `SIROCCO_BFCL_MODEL` another
 * model than the demo: the path of a GGUF.
 */
const ALL = process.env["SIROCCO_BFCL"] === "all";
const MODEL = process.env["SIROCCO_BFCL_MODEL"] ?? DEMO_FILE;
const FIRST = 12;
const MAX_TOKENS = ALL ? 600 : 200;

interface Question {
  readonly id: string;
  readonly question: readonly (readonly {
    readonly role: "user" | "system";
    readonly content: string;
  }[])[];
  readonly function: readonly {
    readonly name: string;
    readonly description: string;
    readonly parameters: object;
  }[];
}

/** Python's names of types, which these descriptions use in places. */
const TYPES: Readonly<Record<string, string>> = {
  dict: "object",
  float: "number",
  tuple: "array",
  list: "array",
  any: "string",
  String: "string",
};

/** A description as JSON Schema: types by its names, without what only people read. */
function toSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSchema);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).flatMap(([key, one]) => {
    if (key === "properties") {
      const own = Object.entries(one as object).map(([name, schema]) => [name, toSchema(schema)]);
      return [[key, Object.fromEntries(own)]];
    }
    if (key === "type" && typeof one === "string") return [[key, TYPES[one] ?? one]];
    // Prose in places where a schema expects something else.
    if (key === "optional" || key === "format") return [];
    return [[key, key === "enum" || key === "default" ? one : toSchema(one)]];
  });
  return Object.fromEntries(entries);
}

function questions(file: string): readonly Question[] {
  const path = shared(`data/tools/${file}`);
  if (path === undefined) return [];
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return (ALL ? lines : lines.slice(0, FIRST)).map((line) => JSON.parse(line) as Question);
}

const present = shared("data/tools") !== undefined && existsSync(MODEL);
const where = present ? "" : " (skipped: ../shared/data not present)";

describe.skipIf(!present)(
  `questions of the Berkeley function-calling leaderboard${where}`,
  async () => {
    const model = await load(MODEL);
    const served = {
      id: "m",
      created: 0,
      contextLength: model.engine.info.contextLength,
      digest: "",
      ownedBy: "",
      engine: model.engine,
      tokenizer: model.tokenizer,
      template: model.template,
    } as ServedModel;
    afterAll(() => model.close());

    /** What is called, and how the turn ended; `undefined` where the question does not fit into the context. */
    async function ask(question: Question, seed: number) {
      const tools: ToolUse = {
        tools: question.function.map(({ name, description, parameters }) => ({
          name,
          description,
          parameters: toSchema(parameters),
        })),
        choice: "required",
        parallel: false,
      };
      const messages = question.question[0]!;
      const { tokens } = chatPrompt(served, { messages, tools }, new Date(0));
      const room = served.contextLength - tokens.length;
      if (room < MAX_TOKENS) return undefined;
      const plan = planAnswer(served, { tools } as unknown as Asked);
      const sampling = { ...GREEDY, temperature: 0.9, seed };
      const { grammar, spelled } = plan;
      const events = answer(model.engine, model.tokenizer, {
        prompt: tokens,
        maxTokens: MAX_TOKENS,
        sampling,
        stop: [],
        grammar: grammar!,
        spelled: spelled!,
      });
      const deltas: ToolCallDelta[] = [];
      for await (const event of plan.read(events)) {
        if (event.type === "tool_call") deltas.push(event);
        if (event.type === "done")
          return { calls: joinToolCalls(deltas), reason: event.reason, tools };
      }
      throw new Error("no end");
    }

    test.each(["BFCL_v4_simple_python.json", "BFCL_v4_multiple.json"])(
      "%s: every turn holds calls that parse and are valid",
      async (file) => {
        const ajv = new Ajv2020({ strict: false });
        let cut = 0;
        let tooLong = 0;
        let calls = 0;
        const asked = questions(file);
        for (const [i, question] of asked.entries()) {
          const turn = await ask(question, i);
          if (turn === undefined) tooLong++;
          else {
            // A turn that was running out of tokens was brought to an end.
            if (turn.reason === "length") cut++;
            else expect(turn.reason, question.id).toBe("tool_calls");
            expect(turn.calls.length, question.id).toBeGreaterThan(0);
            for (const call of turn.calls) {
              const tool = turn.tools.tools.find(({ name }) => name === call.name);
              const valid = ajv.validate(tool!.parameters as object, JSON.parse(call.arguments));
              expect(valid, `${question.id}: ${call.arguments}: ${ajv.errorsText()}`).toBe(true);
              calls++;
            }
          }
        }
        console.log(
          `${file}: ${asked.length} questions, ${calls} calls, ${cut} brought to an end, ${tooLong} too long`,
        );
        expect(calls).toBeGreaterThan(asked.length / 2);
      },
      ALL ? 3_600_000 : 120_000,
    );
  },
);
