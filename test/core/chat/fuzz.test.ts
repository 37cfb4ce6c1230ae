import { expect, test } from "vitest";
import { MAX_TEXT_CHARS } from "../../../core/chat/budget.ts";
import { parseJinja } from "../../../core/chat/jinja.ts";
import { RuntimeError } from "../../../core/errors.ts";
import type { Random } from "../../fixtures/random.ts";
import { createRandom } from "../../fixtures/random.ts";

const TEMPLATES = 10_000;
/** One that took this long, on a machine with other things to do, would be one that hangs. */
const HANG_MS = 2000;
const MEMORY_BYTES = 512 * 2 ** 20;

const NAMES = [
  "messages",
  "m",
  "x",
  "y",
  "ns",
  "nothing",
  "loop",
  "f",
  "range",
  "caller",
  "varargs",
];
const LITERALS = [
  "1",
  "0",
  "-1",
  "1e9",
  "99999999999999999999",
  "'a'",
  "'\\n'",
  '"<s>"',
  "none",
  "''",
];
const OPERATORS = [
  "+",
  "-",
  "*",
  "/",
  "//",
  "%",
  "**",
  "~",
  "==",
  "!=",
  "<",
  ">=",
  "in",
  "not in",
  "and",
  "or",
];
const FILTERS =
  "length first last list join sort unique reverse tojson string upper lower title capitalize trim indent items dictsort int float abs safe default replace selectattr map".split(
    " ",
  );
const METHODS =
  "upper strip lstrip split replace startswith items keys get title constructor __proto__".split(
    " ",
  );
const TESTS = "defined none string mapping iterable odd upper number true unheardof".split(" ");

/** Writes templates that are mostly well formed and never well meant. */
function createWriter(random: Random): () => string {
  const pick = (items: readonly string[]): string => items[random.int(0, items.length - 1)]!;
  const list = (depth: number, most: number): string =>
    Array.from({ length: random.int(0, most) }, () => expression(depth)).join(", ");

  function expression(depth: number): string {
    if (depth <= 0) return random.next() < 0.6 ? pick(NAMES) : pick(LITERALS);
    const next = depth - 1;
    switch (random.int(0, 13)) {
      case 0:
        return `(${expression(next)} ${pick(OPERATORS)} ${expression(next)})`;
      case 1:
        return `${expression(next)} | ${pick(FILTERS)}`;
      case 2:
        return `${expression(next)} | ${pick(FILTERS)}(${list(next, 2)})`;
      case 3:
        return `${pick(NAMES)}.${pick(METHODS)}(${list(next, 2)})`;
      case 4:
        return `${pick(NAMES)}[${expression(next)}]`;
      case 5:
        return `${pick(NAMES)}[${expression(next)}:${expression(next)}:${pick(LITERALS)}]`;
      case 6:
        return `[${list(next, 3)}]`;
      case 7:
        return `{'k': ${expression(next)}, ${pick(["'k'", "x", "'l'"])}: ${expression(next)}}`;
      case 8:
        return `range(${list(next, 3)})`;
      case 9:
        return `${expression(next)} is ${pick(["", "not "])}${pick(TESTS)}`;
      case 10:
        return `(${expression(next)} if ${expression(next)} else ${expression(next)})`;
      case 11:
        return `f(${pick(["", "*", "**"])}${expression(next)})`;
      case 12:
        return `namespace(x=${expression(next)}, y=${pick(NAMES)})`;
      default:
        return pick(NAMES);
    }
  }

  function statement(depth: number): string {
    const next = depth - 1;
    const body = (): string =>
      depth <= 0 ? "t" : Array.from({ length: random.int(0, 3) }, () => statement(next)).join("");
    switch (random.int(0, 12)) {
      case 0:
        return `{% for ${pick(["m", "x", "x, y"])} in ${expression(2)} %}${body()}{% endfor %}`;
      case 1:
        return `{% for i in range(${pick(["3", "100", "10000"])}) %}${body()}{% else %}e{% endfor %}`;
      case 2:
        return `{% if ${expression(2)} %}${body()}{% elif ${expression(1)} %}${body()}{% else %}z{% endif %}`;
      case 3:
        return `{% set ${pick(["x", "y", "ns.x", "ns.y", "x, y"])} = ${expression(3)} %}`;
      case 4:
        return `{% set ${pick(["x", "y"])} %}${body()}{% endset %}`;
      case 5:
        return `{% macro f(x, y=${expression(1)}) %}${body()}{{ ${pick(["f(x)", "x", "caller()"])} }}{% endmacro %}`;
      case 6:
        return `{% call f(${expression(1)}) %}${body()}{% endcall %}`;
      case 7:
        return `{% filter ${pick(FILTERS)} %}${body()}{% endfilter %}`;
      case 8:
        if (random.next() < 0.1) return pick(["{%- raw -%}", "{% endfor %}", "{{", "{% x %}"]);
        return `{% if ${expression(1)} %}${pick(["{% break %}", "{% continue %}", "{# c #}"])}{% endif %}`;
      case 9:
        return `{% set ns.x = ns.x ${pick(["+", "~"])} ns.x %}`;
      case 10:
        return `{% set ns.x = [ns.x, ns.x] %}`;
      default:
        return `{{ ${expression(3)} }}`;
    }
  }

  return () => {
    const begin =
      "{% set ns = namespace(x='ab', y=[1]) %}{% set x = 'a<b' %}{% set y = [messages, {'k': 1}] %}{% macro f(x='d') %}{{ x }}{% endmacro %}";
    const parts = Array.from({ length: random.int(1, 4) }, () => statement(2)).join("");
    // Some are cut off or hit by a stray character.
    const at = random.int(0, parts.length);
    const chance = random.next();
    if (chance < 0.1) return begin + parts.slice(0, at);
    if (chance < 0.2)
      return begin + parts.slice(0, at) + pick(["}", "%", "'", "(", "\\", "\0"]) + parts.slice(at);
    return begin + parts;
  };
}

test(
  `${TEMPLATES} hostile templates render or end with TEMPLATE_FAILED, within time and memory`,
  { timeout: 120_000 },
  () => {
    const write = createWriter(createRandom(20_240_229));
    const messages = [
      { role: "user", content: "Hello <s> there" },
      {
        role: "assistant",
        content: "Hi",
        tool_calls: [{ id: "1", function: { name: "f", arguments: {} } }],
      },
    ];
    const now = new Date(0);
    const before = process.memoryUsage().rss;
    let rendered = 0;
    let slowest = 0;
    for (let i = 0; i < TEMPLATES; i++) {
      const source = write();
      const start = performance.now();
      try {
        const text = parseJinja(source).render({ messages }, now);
        expect(text.length).toBeLessThanOrEqual(MAX_TEXT_CHARS);
        rendered++;
      } catch (error) {
        if (!RuntimeError.is(error) || error.code !== "TEMPLATE_FAILED") {
          throw new Error(`template ${i}: ${source}`, { cause: error });
        }
      }
      slowest = Math.max(slowest, performance.now() - start);
    }
    expect(slowest).toBeLessThan(HANG_MS);
    expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_BYTES);
    // Neither all nonsense nor all harmless.
    expect(rendered).toBeGreaterThan(TEMPLATES / 20);
    expect(rendered).toBeLessThan(TEMPLATES * 0.95);
  },
);
