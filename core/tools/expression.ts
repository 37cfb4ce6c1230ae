/** Turns in which tools may be called, as expressions: no call comes about that cannot be read and made. */
import {
  ANY_CHAR,
  charSet,
  type CharSet,
  charsOf,
  complement,
  intersect,
} from "../grammar/chars.ts";
import {
  choice,
  EMPTY,
  type Expression,
  literal,
  oneOf,
  optional,
  repeat,
  seq,
  shared,
} from "../grammar/expression.ts";
import { schemaExpression } from "../grammar/json-schema/schema.ts";
import { GAP, OBJECT } from "../grammar/json-schema/text.ts";
import type { Sign, ToolForm } from "./forms.ts";
import type { Tool, ToolUse } from "./tools.ts";

/** What text may hold: a mark before a control token's spelling is no text. */
const TEXT: CharSet = intersect(ANY_CHAR, complement(charSet([0xfdef, 0xfdef])));

/**
 * The turns that a request allows: calls, and where it leaves the choice to the model, text before or instead of them.
 * Throws `UNSUPPORTED_PARAMETER` and `INVALID_REQUEST` for parameters that cannot be enforced; `tools[0]…` names them.
 */
export function turnExpression(form: ToolForm, use: ToolUse): Expression {
  const { choice: chosen, tools } = use;
  const callable = tools.flatMap((tool, index) =>
    typeof chosen === "object" && chosen.name !== tool.name ? [] : [{ tool, index }],
  );
  const one = shared(
    choice(...callable.map(({ tool, index }) => callOf(form, tool, argumentsOf(tool, index)))),
  );
  const rest = shared(restOf(form, one, use.parallel));
  const calls = seq(signOf(form.open), rest);
  // Without the control token its spelling would be text like any other.
  const either = form.open.token === undefined ? rest : choice(rest, calls);
  if (chosen !== "auto") return form.name === "llama" ? either : calls;
  if (form.name !== "llama") return textUntil(form.open, rest);
  // What begins like JSON is a call: the form has no other sign.
  const anything = choice(oneOf(TEXT), otherControl);
  const text = seq(
    choice(oneOf(intersect(TEXT, complement(charsOf("{")))), otherControl),
    repeat(anything, 0),
  );
  return choice(EMPTY, text, either);
}

const otherControl: Expression = (graph, from, to) => graph.control(from, "other", to);

/** The arguments of a tool: what its schema allows, an object in any case. */
function argumentsOf(tool: Tool, index: number): Expression {
  if (tool.strict === false) return OBJECT;
  const schema = tool.parameters ?? { type: "object", additionalProperties: false };
  return schemaExpression(schema, `tools[${index}].function.parameters`, {
    also: { type: "object" },
    closed: true,
  });
}

function callOf({ name, close }: ToolForm, tool: Tool, json: Expression): Expression {
  if (name === "mistral-args") return seq(literal(tool.name), signOf(close), json);
  const key = name === "llama" ? '"parameters"' : '"arguments"';
  return seq(
    ...[literal("{"), literal('"name"'), literal(":"), literal(JSON.stringify(tool.name))].flatMap(
      (part) => [part, GAP],
    ),
    ...[literal(","), literal(key), literal(":"), json].flatMap((part) => [part, GAP]),
    literal("}"),
  );
}

/** What follows the first sign. */
function restOf({ name, open, close }: ToolForm, one: Expression, parallel: boolean): Expression {
  const again = (between: Expression): Expression =>
    parallel ? repeat(seq(between, one), 0) : EMPTY;
  switch (name) {
    case "mistral":
      return seq(
        GAP,
        literal("["),
        GAP,
        one,
        again(seq(GAP, literal(","), GAP)),
        GAP,
        literal("]"),
      );
    case "mistral-args":
      return seq(one, again(signOf(open)));
    case "llama":
      return one;
    case "hermes":
    case "plain": {
      const closed = seq(GAP, signOf(close));
      return seq(GAP, one, again(seq(closed, GAP, signOf(open), GAP)), closed);
    }
    default:
      return name satisfies never;
  }
}

function signOf({ token, text }: Sign): Expression {
  if (token === undefined) return literal(text);
  return (graph, from, to) => graph.control(from, token, to);
}

/** Text without a sign, and where the sign does come, what has to follow it. */
function textUntil({ token, text }: Sign, rest: Expression): Expression {
  if (token !== undefined) {
    const sign = signOf({ token, text });
    return seq(repeat(choice(oneOf(TEXT), otherControl), 0), optional(seq(sign, rest)));
  }
  const sign = Array.from(text);
  const own = charsOf(text);
  return (graph, from, to) => {
    // State i: the last i characters are the sign's first ones (Knuth, Morris and Pratt).
    const states = sign.map(() => graph.state());
    const after = graph.state();
    graph.nothing(from, states[0]!);
    rest(graph, after, to);
    for (const [i, state] of states.entries()) {
      graph.nothing(state, to);
      graph.chars(state, intersect(TEXT, complement(own)), states[0]!);
      otherControl(graph, state, states[0]!);
      for (const char of new Set(sign)) {
        const reached = overlap([...sign.slice(0, i), char], sign);
        graph.chars(state, charsOf(char), reached === sign.length ? after : states[reached]!);
      }
    }
  };
}

/** The most characters at the end of `text` with which `sign` begins. */
function overlap(text: readonly string[], sign: readonly string[]): number {
  let length = Math.min(text.length, sign.length);
  while (text.slice(text.length - length).join("") !== sign.slice(0, length).join("")) length--;
  return length;
}
