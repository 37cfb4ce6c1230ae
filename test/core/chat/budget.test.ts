import { describe, expect, test } from "vitest";
import { createBudget, MAX_MILLISECONDS, MAX_STEPS } from "../../../core/chat/budget.ts";
import { parseJinja } from "../../../core/chat/jinja.ts";

/** What a hostile template may take, in milliseconds of processor time. */
const LIMIT_MS = 50;
/** Other work on the machine disturbs a measurement: the best of a few counts. */
const ATTEMPTS = 8;

/** The error that `work` ends with, and the least processor time it took. */
function failure(work: () => unknown): { code: unknown; milliseconds: number } {
  let code: unknown = "none";
  let milliseconds = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS && milliseconds > LIMIT_MS; attempt++) {
    const before = process.cpuUsage().user;
    try {
      work();
    } catch (error) {
      code = error instanceof Error && "code" in error ? error.code : error;
    }
    milliseconds = Math.min(milliseconds, (process.cpuUsage().user - before) / 1000);
  }
  return { code, milliseconds };
}

/** Makes `ns.x` half a million characters long, or a list that shares itself 2^40 times. */
const LONG =
  "{% set ns = namespace(x='ab') %}{% for i in range(18) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
const SHARED =
  "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
const often = (body: string): string => `${LONG}{% for i in range(10000) %}${body}{% endfor %}`;
const forever = (body: string): string =>
  `{% for i in range(10000) %}{% for j in range(10000) %}${body}{% endfor %}{% endfor %}`;

const HOSTILE: Readonly<Record<string, string>> = {
  "a range of a billion": "{% for i in range(1000000000) %}x{% endfor %}",
  "a range that is endless": "{{ range(1" + "0".repeat(400) + ") }}",
  "nested loops": forever("x"),
  "nested loops of nothing": forever(""),
  "nested loops that continue": forever("{% continue %}"),
  "nested loops over names that are not there": forever("{{ nothing }}"),
  "nested loops over methods": forever("{{ 'a'.upper() }}"),
  "a macro that calls itself": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
  "a macro that calls itself twice":
    "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
  "macros defined in a loop": `{% for i in range(10000) %}{% macro f() %}${"{{ a }}".repeat(3000)}{% endmacro %}{% endfor %}`,
  "20 000 parentheses": `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`,
  "65 parentheses": `{{ ${"(".repeat(65)}1${")".repeat(65)} }}`,
  "65 blocks": "{% if 1 %}".repeat(65) + "{% endif %}".repeat(65),
  "not, often": `{{ ${"not ".repeat(10_000)}1 }}`,
  "a long chain": `{{ a${" ~ a".repeat(7000)} }}`,
  "a long chain of conditions": `{{ ${"a if b else ".repeat(3000)}1 }}`,
  "a long chain of elif": `{% if a %}${"{% elif a %}".repeat(3000)}{% endif %}`,
  "a long chain of calls": `{{ f${"()".repeat(5000)} }}`,
  "a text that doubles": `${LONG}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}`,
  "a list that doubles":
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
  "too long a prompt": often("{{ ns.x }}"),
  "a long block": `${LONG}{% set y %}${"{{ ns.x }}".repeat(2000)}{% endset %}{{ y | upper }}`,
  "long texts converted": often("{% set y = ns.x | upper %}"),
  "long texts stripped": often("{% set y = ns.x.strip() %}"),
  "long texts stripped of a letter": often("{% set y = ns.x.strip('a') %}"),
  "long texts capitalised": often("{% set y = ns.x | title %}"),
  "long texts compared": often("{% if ns.x ~ 'a' == ns.x ~ 'b' %}{% endif %}"),
  "long texts looked up": often("{% set y = messages[ns.x ~ i] %}"),
  "long texts as names": often("{% set y = {ns.x ~ i: 1} %}"),
  "long texts reversed": often("{% set y = ns.x[::-1] %}"),
  "long texts made unique": often("{% set y = [ns.x ~ i, ns.x ~ 'b'] | unique %}"),
  "long texts in lists": often("{% if (ns.x ~ 'c') in [ns.x ~ 'b'] %}{% endif %}"),
  "a search of the worst kind": `${LONG.replace("'ab'", "'aa'")}{{ ('b' ~ ns.x[:200000]) in ns.x }}`,
  "replace that multiplies": `${LONG}{{ ns.x | replace('a', ns.x) }}`,
  "replace between characters": `${LONG}{{ ns.x.replace('', ns.x) }}`,
  "a method kept for later": `${LONG}{% set f = ns.x.replace %}{{ f('a', ns.x) }}`,
  "a method by another name": `${LONG}{{ ns.x['re' ~ 'place']('a', ns.x) }}`,
  "a method called with a block": `${LONG}{% set f = ns.x.replace %}{% call f('a', ns.x) %}{% endcall %}`,
  "join that multiplies": `${LONG}{{ range(10000) | join(ns.x) }}`,
  "join within a text": `${LONG}{{ ns.x | join(ns.x) }}`,
  "split into a million": `${LONG}{{ ns.x.split('a') }}`,
  "indent by a billion": "{{ 'a\nb' | indent(1000000000) }}",
  "indent every line": `${LONG.replace("'ab'", "'\n\n'")}{{ ns.x | indent(1000, true, true) }}`,
  "tojson that indents": "{{ [[1]] | tojson(indent=1000000000) }}",
  "a shared list as JSON": `${SHARED}{{ ns.x | tojson }}`,
  "a shared list printed": `${SHARED}{{ ns.x }}`,
  "a shared list in a block": `${SHARED}{% set y %}{{ ns.x }}{% endset %}`,
  "a shared list compared with a text": `${SHARED}{{ ns.x == 'a' }}`,
  "a shared list joined": `${SHARED}{{ ns.x | join }}`,
  "a shared list as a text": `${SHARED}{{ ns.x | string }}`,
  "a shared list sorted": `${SHARED}{{ ns.x | sort }}`,
  "a shared list appended": `${SHARED}{{ 'a' ~ ns.x }}`,
  "a shared list as a format": `${SHARED}{{ strftime_now(ns.x) }}`,
  "a shared list as a range": `${SHARED}{{ range(ns.x) }}`,
  "a shared list as a reason": `${SHARED}{{ raise_exception(ns.x) }}`,
  "a namespace that holds itself": "{% set ns = namespace() %}{% set ns.x = [ns, ns] %}{{ ns }}",
  "arguments spread": forever("{{ f(*range(10000)) }}"),
  "a long run of blanks": `${" ".repeat(60_000)}{% generation %}`,
  "a long tag": `{%${" ".repeat(60_000)}generation`,
  "too long a source": "a".repeat(65_537),
  "too many words": "{{ a }}".repeat(9000),
  "unfinished tags": "{{".repeat(30_000),
  "an unfinished text": `{{ '${"\\\\".repeat(30_000)}`,
};

describe("a hostile template ends with TEMPLATE_FAILED, soon", () => {
  test.each(Object.entries(HOSTILE))("%s", (_, source) => {
    const { code, milliseconds } = failure(() =>
      parseJinja(source).render({ messages: {} }, new Date(0)),
    );
    expect(code).toBe("TEMPLATE_FAILED");
    expect(milliseconds).toBeLessThanOrEqual(LIMIT_MS);
  });
});

describe("createBudget", () => {
  test("spend allows exactly MAX_STEPS", () => {
    const budget = createBudget();
    for (let i = 0; i < MAX_STEPS; i += 1000) budget.spend(1000);
    expect(() => budget.spend(2048)).toThrow(/more than 200000 steps/u);
  });

  test("spend looks at the clock now and then", () => {
    let time = 0;
    const budget = createBudget(() => time);
    budget.spend(5000);
    time = MAX_MILLISECONDS + 1;
    expect(() => budget.spend(5000)).toThrow(/more than 250 ms/u);
  });

  test("an amount that is no number buys nothing", () => {
    const budget = createBudget();
    expect(() => {
      budget.spend(Number.NaN);
      budget.spend(1);
    }).toThrow(expect.objectContaining({ code: "TEMPLATE_FAILED" }));
  });
});
