/**
 * JSON Schemas as expressions: the texts of all JSON that is valid, each written in the order of the schema.
 *
 * A place in a text is held to a conjunction of schemas, as `$ref`, `allOf` and `anyOf` stand beside other keywords.
 * It is taken apart into alternatives that hold keywords of single types only, and those are put together.
 */
import {
  anyLiteral,
  call,
  choice,
  type Expression,
  literal,
  NEVER,
  type Rule,
} from "../expression.ts";
import { MAX_CONJUNCTIONS } from "../limits.ts";
import { malformed, tooLarge, unsupported } from "../problem.ts";
import {
  checkKeywords,
  checkSize,
  resolve,
  schemasOf,
  type TypeName,
  typesOfAll,
} from "./check.ts";
import { areDisjoint } from "./disjoint.ts";
import {
  isList,
  isObject,
  type Json,
  KEYWORDS,
  member,
  type Part,
  type Place,
} from "./keywords.ts";
import { arrayExpression } from "./list.ts";
import { numberExpression } from "./numeric.ts";
import { objectExpression } from "./object.ts";
import { stringExpression } from "./string.ts";
import { VALUE } from "./text.ts";
import { createValidator } from "./valid.ts";

/** The text that is valid by all of these schemas. */
export type Compile = (places: readonly Place[]) => Expression;

/** Alternatives at a place: exactly one of the branches has to hold where `exclusive`, else any. */
interface Branches {
  readonly branches: readonly Place[];
}

/** One alternative: keywords to be met together. */
interface Leaf {
  readonly parts: readonly Part[];
  readonly pending: readonly Branches[];
}

/** What is asked for beside a schema. */
export interface SchemaOptions {
  /** Another schema that has to hold, too. */
  readonly also?: Json;
  /** Objects that name properties have no others, unless `additionalProperties` says so. */
  readonly closed?: boolean;
}

/**
 * The JSON that is valid by a schema. Throws `UNSUPPORTED_PARAMETER` naming the first keyword that cannot be enforced,
 * `INVALID_REQUEST` for a schema that is none; `param` is where it stands.
 */
export function schemaExpression(
  schema: unknown,
  param: string,
  { also = true, closed = false }: SchemaOptions = {},
): Expression {
  const root = checkSize(schema, param);
  const isValid = createValidator(root, param);
  const rules = new Map<string, Rule>();
  const numbers = new Map<Json, number>();
  let conjunctions = 0;

  const numberOf = (value: Json): number => {
    let number = numbers.get(value);
    if (number === undefined) numbers.set(value, (number = numbers.size));
    return number;
  };

  /** The same schemas are the same rule, so that recursion comes back to it. */
  const compile: Compile = (places) => {
    if (places.length === 0) return VALUE;
    const key = places
      .map((place) => numberOf(place.schema))
      .toSorted((a, b) => a - b)
      .join();
    let rule = rules.get(key);
    if (rule === undefined) {
      rule = { expression: () => build(places) };
      rules.set(key, rule);
    }
    return call(rule);
  };

  function build(places: readonly Place[]): Expression {
    const leaf = flatten({ parts: [], pending: [] }, places);
    return leaf === undefined ? NEVER : expand(leaf);
  }

  /** Add schemas to an alternative; nothing is left of it where one of them allows nothing. */
  function flatten(leaf: Leaf, places: readonly Place[]): Leaf | undefined {
    const parts = new Map(leaf.parts.map((part) => [part.schema, part]));
    const pending = [...leaf.pending];
    const open = places.toReversed();
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      const { schema: one, path } = place;
      if (one === true) continue;
      if (one === false) return undefined;
      if (!isObject(one)) throw malformed(path, "a schema is an object, true or false");
      // What has to hold already need not hold twice; a reference to itself ends here.
      if (parts.has(one)) continue;
      const part = { schema: one, path };
      checkKeywords(part, isObject(root) ? root : {});
      parts.set(one, part);
      const referred = resolve(part, root);
      if (referred !== undefined) open.push(referred);
      open.push(...(schemasOf(part, "allOf") ?? []));
      const any = schemasOf(part, "anyOf");
      if (any !== undefined) pending.push({ branches: any });
      const exact = schemasOf(part, "oneOf");
      if (exact !== undefined) pending.push({ branches: exclusive(exact, `${path}.oneOf`) });
    }
    return { parts: [...parts.values()], pending };
  }

  /** Branches of which no two can hold at once are an `anyOf`. */
  function exclusive(branches: readonly Place[], path: string): readonly Place[] {
    const flat = branches.map((branch) => flatten({ parts: [], pending: [] }, [branch]));
    for (const [i, a] of flat.entries()) {
      for (const b of flat.slice(0, i)) {
        if (a === undefined || b === undefined || areDisjoint(a.parts, b.parts)) continue;
        throw unsupported(
          path,
          "alternatives that no type, const or enum tells apart cannot be enforced; use anyOf",
        );
      }
    }
    return branches;
  }

  function expand(leaf: Leaf): Expression {
    if (++conjunctions > MAX_CONJUNCTIONS) {
      throw tooLarge(param, "combinations of alternatives", MAX_CONJUNCTIONS);
    }
    const [first, ...pending] = leaf.pending;
    if (first === undefined) return together(leaf.parts);
    const branches = first.branches.flatMap((branch) => {
      const next = flatten({ parts: leaf.parts, pending }, [branch]);
      return next === undefined ? [] : [expand(next)];
    });
    return choice(...branches);
  }

  /** Keywords of single types. */
  function together(parts: readonly Part[]): Expression {
    if (parts.every(isFree)) return VALUE;
    const values = valuesOf(parts);
    if (values !== undefined) {
      // References and alternatives of the parts are among them, so that nothing is left out.
      const valid = values.filter((value) => parts.every((part) => isValid(value, part)));
      return anyLiteral(valid.map((value) => JSON.stringify(value)));
    }
    return choice(...typesOfAll(parts).map((type) => ofType(type, parts)));
  }

  function ofType(type: TypeName, parts: readonly Part[]): Expression {
    switch (type) {
      case "null":
        return literal("null");
      case "boolean":
        return anyLiteral(["true", "false"]);
      case "integer":
      case "number":
        return numberExpression(parts, type === "integer");
      case "string":
        return stringExpression(parts);
      case "array":
        return arrayExpression(parts, compile);
      case "object":
        return objectExpression(parts, compile, closed);
      default:
        return type satisfies never;
    }
  }

  return compile([
    { schema: root, path: param },
    { schema: also, path: param },
  ]);
}

/** Keywords that have been followed when an alternative is put together. */
const FOLLOWED: ReadonlySet<string> = new Set(["$ref", "allOf", "anyOf", "oneOf"]);

/** Whether a part says nothing of its own. */
function isFree({ schema }: Part): boolean {
  return Object.keys(schema).every((key) => FOLLOWED.has(key) || !Object.hasOwn(KEYWORDS, key));
}

/** The values of the first `const` or `enum`; without one there are too many to list. */
function valuesOf(parts: readonly Part[]): readonly Json[] | undefined {
  for (const { schema, path } of parts) {
    const constant = member(schema, "const");
    if (constant !== undefined) return [constant];
    const listed = member(schema, "enum");
    if (listed === undefined) continue;
    if (!isList(listed)) throw malformed(`${path}.enum`, "expected a list");
    return listed;
  }
  return undefined;
}
