/** Objects of a schema. */
import { spelled } from "../char-graph.ts";
import { choice, type Expression, literal, NEVER, seq, shared } from "../expression.ts";
import { unsupported } from "../problem.ts";
import { countOf, mapOf, propertiesOf, requiredOf, schemaOf } from "./check.ts";
import type { Part } from "./keywords.ts";
import type { Names } from "./names.ts";
import type { Compile } from "./schema.ts";
import { GAP, stringChar } from "./text.ts";

/** A property that is named. */
interface Property {
  readonly key: Expression;
  readonly value: Expression;
  readonly required: boolean;
}

/**
 * Objects by `properties`, `required`, `minProperties`, `maxProperties` and what is asked of names: named properties
 * in the order in which they are named, then others, whose names are not looked at twice. Where `closed`, an object
 * that names properties has others only if `additionalProperties` or `patternProperties` say so.
 */
export function objectExpression(
  parts: readonly Part[],
  names: Names,
  compile: Compile,
  closed: boolean,
): Expression {
  const required = new Set(parts.flatMap(requiredOf));
  const named = [
    ...new Set([...parts.flatMap((part) => [...propertiesOf(part).keys()]), ...required]),
  ];
  const min = Math.max(...parts.map((part) => countOf(part, "minProperties") ?? 0), 0);
  const max = Math.min(
    ...parts.map((part) => countOf(part, "maxProperties") ?? Infinity),
    Infinity,
  );
  const said = parts.some((part) => schemaOf(part, "additionalProperties") !== undefined);
  const patterned = parts.some((part) => mapOf(part, "patternProperties").size > 0);
  // Absent patterns, names are of one kind, free or none at all.
  const others = names.others(named, closed && !said && (named.length > 0 || patterned));
  const open = others.length > 0;
  if (min > Math.max(1, required.size) && open) {
    const part = parts.find((one) => countOf(one, "minProperties") === min)!;
    throw unsupported(
      `${part.path}.minProperties`,
      "above 1 it needs additionalProperties: false, as names of further properties may repeat",
    );
  }
  if (min > max) return NEVER;

  const properties: Property[] = named.map((name) => ({
    key: literal(JSON.stringify(name)),
    value: names.allows(name) ? compile(names.placesOf(name)) : NEVER,
    required: required.has(name),
  }));
  const extra = shared(
    choice(
      ...others.map(({ graph, places }) =>
        member({
          key: seq(literal('"'), spelled(graph, stringChar), literal('"')),
          value: compile(places),
        }),
      ),
    ),
  );
  return draw(properties, open ? extra : undefined, min, max);
}

function member({ key, value }: Omit<Property, "required">): Expression {
  return seq(key, GAP, literal(":"), GAP, value);
}

function before(count: number): Expression {
  return count === 0 ? GAP : seq(GAP, literal(","), GAP);
}

/** A state for each property that may come next and each number of properties that counts. */
function draw(
  properties: readonly Property[],
  extra: Expression | undefined,
  min: number,
  max: number,
): Expression {
  const counted = max === Infinity ? Math.max(min, 1) : max;
  return (graph, from, to) => {
    const close = graph.state();
    literal("}")(graph, close, to);

    let row = new Map<number, number>();
    const begin = graph.state();
    literal("{")(graph, from, begin);
    row.set(0, begin);
    for (const property of properties) {
      const next = new Map<number, number>();
      const target = (count: number): number => {
        let state = next.get(count);
        if (state === undefined) next.set(count, (state = graph.state()));
        return state;
      };
      for (const [count, state] of row) {
        if (!property.required) graph.nothing(state, target(count));
        if (count === max) continue;
        seq(before(count), member(property))(graph, state, target(Math.min(count + 1, counted)));
      }
      row = next;
    }
    const ends = new Map(row);
    for (let count = 0; count <= counted; count++) {
      const state = ends.get(count);
      if (extra === undefined || state === undefined || count === max) continue;
      const more = Math.min(count + 1, counted);
      const target = ends.get(more) ?? graph.state();
      ends.set(more, target);
      const after = graph.state();
      seq(before(count), extra)(graph, state, after);
      graph.nothing(after, target);
    }
    for (const [count, state] of ends) if (count >= min) GAP(graph, state, close);
  };
}
