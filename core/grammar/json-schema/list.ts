/** Arrays of a schema. */
import { type Expression, literal, NEVER } from "../expression.ts";
import { malformed, unsupported } from "../problem.ts";
import { countOf, schemaOf, schemasOf } from "./check.ts";
import { isList, member, type Part, type Place } from "./keywords.ts";
import type { Compile } from "./schema.ts";
import { GAP } from "./text.ts";

/** Arrays by `prefixItems`, `items`, `minItems` and `maxItems`. */
export function arrayExpression(parts: readonly Part[], compile: Compile): Expression {
  for (const part of parts) checkList(part);
  const min = Math.max(...parts.map((part) => countOf(part, "minItems") ?? 0), 0);
  const max = Math.min(...parts.map((part) => countOf(part, "maxItems") ?? Infinity), Infinity);
  if (min > max) return NEVER;
  const prefix = Math.max(...parts.map((part) => schemasOf(part, "prefixItems")?.length ?? 0), 0);
  const item = (index: number): Expression =>
    compile(parts.flatMap((part) => itemPlaces(part, index)));
  const rest = item(prefix);

  return (graph, from, to) => {
    let at = graph.state();
    literal("[")(graph, from, at);
    const close = graph.state();
    literal("]")(graph, close, to);
    const begin = (count: number, state: number): number => {
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
    /** From here on all items are alike, and as many as one likes. */
    const last = max === Infinity ? Math.max(prefix, min, 1) : max;
    for (let count = 0; count <= last; count++) {
      if (count >= min) GAP(graph, at, close);
      if (count === max) break;
      const ready = begin(count, at);
      const next = count === last ? at : graph.state();
      const after = graph.state();
      (count < prefix ? item(count) : rest)(graph, ready, after);
      graph.nothing(after, next);
      at = next;
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
  if ((member(schema, "uniqueItems") ?? false) !== false) {
    throw unsupported(`${path}.uniqueItems`, "only false is enforced; remove it");
  }
}
