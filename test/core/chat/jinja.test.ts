import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseJinja } from "../../../core/chat/jinja.ts";
import { shared } from "../../fixtures/shared.ts";

const noon = new Date("2025-07-10T12:00:00Z");

function render(source: string, variables: Record<string, unknown> = {}): string {
  return parseJinja(source).render(variables, noon);
}

const chat = shared("data/chat");
const renders = shared("data/goldens/chat-renders.json");

describe.skipIf(chat === undefined || renders === undefined)(
  "templates in use (skipped: ../shared/data not present)",
  () => {
    interface Render {
      readonly template: string;
      readonly context: string;
      readonly jinja2_text?: string;
    }
    const read = (path: string): string => readFileSync(`${chat}/${path}`, "utf8");
    const goldens =
      renders === undefined
        ? []
        : (JSON.parse(readFileSync(renders, "utf8")) as { renders: Render[] }).renders;

    test.each(goldens)("render $template for $context as Jinja2 does", (golden) => {
      const { template, context, jinja2_text } = golden;
      const variables = JSON.parse(read(`minja-contexts/${context}.json`)) as Record<
        string,
        unknown
      >;
      const attempt = (): string => render(read(template), variables);
      if (jinja2_text === undefined) expect(attempt).toThrow(/^Cannot render the chat template: /u);
      else expect(attempt()).toBe(jinja2_text);
    });

    interface Case {
      readonly name: string;
      readonly chat_template: string;
      readonly data: Record<string, unknown>;
      readonly target: string;
    }
    const cases =
      chat === undefined
        ? []
        : (JSON.parse(read("jinja-e2e/cases.json")) as { cases: Case[] }).cases;

    test.each(cases)("render the template $name", ({ chat_template, data, target }) => {
      expect(render(chat_template, data)).toBe(target);
    });
  },
);

describe("render", () => {
  test.each([
    ["{% if true %}\n  x\n  {% endif %}\ny", "  x\ny"],
    ["{{ {'a': [1, 'é', none], 'b': true} | tojson }}", '{"a": [1, "é", null], "b": true}'],
    ["{{ {'a': 1} | tojson(indent=2) }}", '{\n  "a": 1\n}'],
    ["{% for i in range(9) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "012"],
    ["{% for i in range(0, 10, 3) %}{{ i }},{% endfor %}", "0,3,6,9,"],
    ["{% for x in nothing %}x{% else %}none{% endfor %}", "none"],
    ["{{ nothing is defined }}{{ none is none }}", "falsetrue"],
    ["{{ strftime_now('%d %b %Y %H:%M %-d %A') }}", "10 Jul 2025 12:00 10 Thursday"],
    ["{{ '\n\nxn\n'.strip('\n') }}|{{ 'xxab'.lstrip('x') }}|{{ 'ab  '.rstrip() }}|", "xn|ab|ab|"],
    [
      "{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
      "3",
    ],
    ["{% macro f(x, y='b') %}{{ x }}{{ y }}{% endmacro %}{{ f('a') }}{{ f('a', y='c') }}", "abac"],
    ["{{ [{'a': 1}, {'a': 2}] | map(attribute='a') | join('-') }}", "1-2"],
    ["{{ [{'r': 'x'}, {'r': 'y'}] | selectattr('r', 'equalto', 'y') | list | length }}", "1"],
    ["{{ 'a-b-c'.split('-')[1:] | join('+') }}{{ ([] | first) is defined }}", "b+cfalse"],
    ["{{ {'b': 1, 'a': 2} | dictsort }}{{ 'x'.replace('x', 'yy') }}", '[["a", 2], ["b", 1]]yy'],
    ["{% filter upper %}ab{% endfilter %}{{ '' if false else 'c' }}", "ABc"],
    ["{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}", "<in>"],
    ["{% generation %}x{% endgeneration %}", "x"],
  ])("%j gives %j", (source, expected) => {
    expect(render(source)).toBe(expected);
  });

  test("raise_exception becomes TEMPLATE_FAILED with the template's reason, shortened", () => {
    expect(() => render("{{ raise_exception('roles must alternate') }}")).toThrow(
      expect.objectContaining({
        code: "TEMPLATE_FAILED",
        message: "Cannot render the chat template: it refuses these messages: roles must alternate",
      }),
    );
    expect(() => render(`{{ raise_exception('${"x".repeat(9999)}') }}`)).toThrow(/^.{1,600}$/u);
  });

  test("a template is parsed once and rendered many times without remembering anything", () => {
    const template = parseJinja("{% set x = x ~ 'b' %}{{ x }}{% set ns = namespace() %}");
    expect(template.render({ x: "a" }, noon)).toBe("ab");
    expect(template.render({ x: "a" }, noon)).toBe("ab");
  });

  test.each([
    "{{ ''.constructor.constructor('return 1')() }}",
    "{{ raise_exception.constructor('return 1')() }}",
    "{{ {}.__proto__.polluted() }}",
    "{{ [].__class__.__mro__() }}",
    "{{ strftime_now.call() }}",
    "{{ range }}",
    "{{ 'a'.upper }}",
    "{{ 'x' ~ range }}",
    "{{ namespace | tojson }}",
  ])("nothing of the host can be reached with %j", (source) => {
    expect(() => render(source)).toThrow(expect.objectContaining({ code: "TEMPLATE_FAILED" }));
    expect("polluted" in {}).toBe(false);
  });
});
