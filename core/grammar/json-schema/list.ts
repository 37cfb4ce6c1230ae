/** Arrays of a schema. */
import { anyLiteral, type Expression, literal, NEVER, shared } from "../expression.ts";
import { malformed, unsupported } from "../problem.ts";
import { countOf, schemaOf, schemasOf } from "./check.ts";
import { isList, type Json, MAX_UNIQUE_VALUES, member, type Part, type Place } from "./keywords.ts";
import type { Compile } from "./schema.ts";
import { GAP } from "./text.ts";

/** What arrays need to know of the whole schema. */
export interface ListContext {
  readonly compile: Compile;
  /** A schema of what is not valid by a schema; throws where there is none. */
  readonly negate: (place: Place) => Place;
  /** All values that are valid by these schemas, where those are few; see {@linkcode MAX_UNIQUE_VALUES}. */
  readonly values: (places: readonly Place[]) => readonly Json[] | undefined;
}

/** Items of a kind that is counted. */
interface Counter {
  readonly place: Place;
  readonly min: number;
  readonly max: number;
}

/** Arrays by `prefixItems`, `items`, their numbers, `contains` and its numbers, and `uniqueItems`. */
export function arrayExpression(parts: readonly Part[], context: ListContext): Expression {
  for (const part of parts) checkList(part);
  const min = Math.max(...parts.map((part) => countOf(part, "minItems") ?? 0), 0);
  const max = Math.min(...parts.map((part) => countOf(part, "maxItems") ?? Infinity), Infinity);
  if (min > max) return NEVER;
  const counters = parts.flatMap(counterOf);
  if (counters.some((counter) => counter.min > counter.max)) return NEVER;
  const unique = parts.find((part) => member(part.schema, "uniqueItems") === true);
  if (unique !== undefined && max > 1) {
    return uniqueExpression(parts, unique, counters, min, max, context);
  }
  const prefix = Math.max(...parts.map((part) => schemasOf(part, "prefixItems")?.length ?? 0), 0);
  /** From here on all items are alike, and as many as one likes. */
  const last = max === Infinity ? Math.max(prefix, min, 1) : max;
  const kinds = kindsOf(counters, context);
  const items = Array.from({ length: Math.min(last, prefix) + 1 }, (_, index) => {
    const places = parts.flatMap((part) => itemPlaces(part, index));
    return kinds.map((kind) => context.compile([...places, ...kind.places]));
  });

  return (graph, from, to) => {
    const close = graph.state();
    literal("]")(graph, close, to);
    /** States by how many items of each kind there have been. */
    let row = new Map<string, [state: number, counts: readonly number[]]>();
    const begin = graph.state();
    literal("[")(graph, from, begin);
    const zero = counters.map(() => 0);
    row.set(zero.join(), [begin, zero]);
    for (let count = 0; count <= last; count++) {
      const next =
        count === last && max === Infinity ? row : new Map<string, [number, readonly number[]]>();
      // A map is gone through with what is added meanwhile.
      for (const [state, counts] of row.values()) {
        if (count >= min && counters.every((one, i) => counts[i]! >= one.min)) {
          GAP(graph, state, close);
        }
        if (count === max) continue;
        const ready = between(count)(graph, state);
        for (const [i, { counted }] of kinds.entries()) {
          const more = counts.map((number, c) =>
            Math.min(number + counted[c]!, topOf(counters[c]!)),
          );
          if (more.some((number, c) => number > counters[c]!.max)) continue;
          const key = more.join();
          let target = next.get(key);
          if (target === undefined) next.set(key, (target = [graph.state(), more]));
          const after = graph.state();
          items[Math.min(count, items.length - 1)]![i]!(graph, ready, after);
          graph.nothing(after, target[0]);
        }
      }
      if (next === row) break;
      row = next;
    }
  };
}

/** Beyond this a counter need not count. */
function topOf({ min, max }: Counter): number {
  return max === Infinity ? min : max + 1;
}

/** What stands before the item of this index; returns the state in which it begins. */
function between(count: number): (graph: Parameters<Expression>[0], state: number) => number {
  return (graph, state) => {
    const ready = graph.state();
    if (count === 0) {
      GAP(graph, state, ready);
      return ready;
    }
    const comma = graph.state();
    const before = graph.state();
    GAP(graph, state, comma);
    literal(",")(graph, comma, before);
    GAP(graph, before, ready);
    return ready;
  };
}

/**
 * Kinds of items, told apart by what is counted. Where only a least number is asked for, an item that need not count
 * may be anything; where a most is, it has to be of another kind.
 */
function kindsOf(
  counters: readonly Counter[],
  { negate }: ListContext,
): readonly { readonly places: readonly Place[]; readonly counted: readonly number[] }[] {
  let kinds: { places: readonly Place[]; counted: readonly number[] }[] = [
    { places: [], counted: [] },
  ];
  for (const { place, max } of counters) {
    kinds = kinds.flatMap(({ places, counted }) => [
      { places: [...places, place], counted: [...counted, 1] },
      { places: max === Infinity ? places : [...places, negate(place)], counted: [...counted, 0] },
    ]);
  }
  return kinds;
}

function counterOf(part: Part): Counter[] {
  const place = schemaOf(part, "contains");
  const min = countOf(part, "minContains") ?? 1;
  const max = countOf(part, "maxContains") ?? Infinity;
  if (place === undefined || (min === 0 && max === Infinity)) return [];
  return [{ place, min, max }];
}

/** Lists in which each value stands once at most: a state for every set of values that have been. */
function uniqueExpression(
  parts: readonly Part[],
  unique: Part,
  counters: readonly Counter[],
  min: number,
  max: number,
  { values: valuesOf }: ListContext,
): Expression {
  const positional = parts.some(({ schema }) => member(schema, "prefixItems") !== undefined);
  const values =
    positional || counters.length > 0
      ? undefined
      : valuesOf(parts.flatMap((part) => itemPlaces(part, 0)));
  if (values === undefined) {
    throw unsupported(
      `${unique.path}.uniqueItems`,
      `only lists of at most ${MAX_UNIQUE_VALUES} different values can be kept unique; remove it`,
    );
  }
  const texts = values.map((value) => shared(anyLiteral([JSON.stringify(value)])));
  return (graph, from, to) => {
    const close = graph.state();
    literal("]")(graph, close, to);
    const begin = graph.state();
    literal("[")(graph, from, begin);
    let row = new Map([[0, begin]]);
    for (let count = 0; ; count++) {
      const next = new Map<number, number>();
      for (const [seen, state] of row) {
        if (count >= min) GAP(graph, state, close);
        if (count === max || count === texts.length) continue;
        const ready = between(count)(graph, state);
        for (const [i, text] of texts.entries()) {
          if (((seen >> i) & 1) === 1) continue;
          const both = seen | (1 << i);
          let target = next.get(both);
          if (target === undefined) next.set(both, (target = graph.state()));
          const after = graph.state();
          text(graph, ready, after);
          graph.nothing(after, target);
        }
      }
      if (next.size === 0) return;
      row = next;
    }
  };
}

/** What a schema asks of the item of this index. */
function itemPlaces(part: Part, index: number): readonly Place[] {
  const prefix = schemasOf(part, "prefixItems") ?? [];
  const place = prefix[index] ?? schemaOf(part, "items");
  return place === undefined ? [] : [place];
}

function checkList(part: Part): void {
  const { schema, path } = part;
  if (isList(member(schema, "items"))) {
    throw malformed(`${path}.items`, "expected one schema; a list of them is 'prefixItems'");
  }
  if (typeof (member(schema, "uniqueItems") ?? false) !== "boolean") {
    throw malformed(`${path}.uniqueItems`, "expected true or false");
  }
}
