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
import { RuntimeError } from "../../errors.ts";
import { malformed, tooLarge, unsupported } from "../problem.ts";
import {
  checkKeywords,
  checkSize,
  dependentRequiredOf,
  mapOf,
  resolve,
  schemaOf,
  schemasOf,
  type TypeName,
  typesOfAll,
} from "./check.ts";
import { areDisjoint } from "./disjoint.ts";
import {
  isList,
  isObject,
  type Json,
  type JsonObject,
  KEYWORDS,
  MADE,
  MAX_UNIQUE_VALUES,
  member,
  ONE_OF,
  type Part,
  type Place,
} from "./keywords.ts";
import { arrayExpression } from "./list.ts";
import { namesOf } from "./names.ts";
import { createNegation } from "./negation.ts";
import { numberExpression } from "./numeric.ts";
import { objectExpression } from "./object.ts";
import { stringExpression } from "./string.ts";
import { VALUE } from "./text.ts";
import { createValidator, isSame } from "./valid.ts";

/** The text that is valid by all of these schemas. */
export type Compile = (places: readonly Place[]) => Expression;

/** Alternatives at a place: any of the branches has to hold. */
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
  const negation = createNegation(root);
  const rules = new Map<string, Rule>();
  const numbers = new Map<Json, number>();
  /** Schemas that were put together here. */
  const conjoined = new Map<string, JsonObject>();
  const conditions = new Map<JsonObject, readonly Branches[]>();
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
      if (!negation.isMade(one)) checkKeywords(part, isObject(root) ? root : {});
      parts.set(one, part);
      const referred = resolve(part, root);
      if (referred !== undefined) open.push(referred);
      open.push(...(schemasOf(part, "allOf") ?? []));
      const any = schemasOf(part, "anyOf");
      if (any !== undefined) pending.push({ branches: any });
      const exact = schemasOf(part, "oneOf");
      if (exact !== undefined) pending.push({ branches: exclusive(exact, `${path}.oneOf`) });
      const not = schemaOf(part, "not");
      if (not !== undefined) open.push(negated(not));
      pending.push(...conditionsOf(part));
    }
    return { parts: [...parts.values()], pending };
  }

  function negated(place: Place): Place {
    return { schema: negation.negate(place), path: place.path };
  }

  /** Schemas that all have to hold, as one. */
  function all(schemas: readonly Json[], path: string): Place {
    return putTogether(schemas.map(numberOf).join(), { allOf: schemas }, path);
  }

  /** What a part asks for on a condition: either it does not hold, or what follows does. */
  function conditionsOf(part: Part): readonly Branches[] {
    const known = conditions.get(part.schema);
    if (known !== undefined) return known;
    const found: Branches[] = [];
    conditions.set(part.schema, found);
    const { path } = part;
    const condition = schemaOf(part, "if");
    const [then, otherwise] = [schemaOf(part, "then"), schemaOf(part, "else")];
    if (condition !== undefined && (then !== undefined || otherwise !== undefined)) {
      const not = negated(condition).schema;
      found.push({
        branches: [
          all([condition.schema, then?.schema ?? true], then?.path ?? path),
          all([not, otherwise?.schema ?? true], otherwise?.path ?? path),
        ],
      });
    }
    for (const [name, needed] of dependentRequiredOf(part)) {
      found.push({ branches: [absent(name, path), present([name, ...needed], path)] });
    }
    for (const [name, place] of mapOf(part, "dependentSchemas")) {
      const there = present([name], path).schema;
      found.push({ branches: [absent(name, path), all([there, place.schema], place.path)] });
    }
    return found;
  }

  function absent(name: string, path: string): Place {
    return putTogether(`no ${name}`, { properties: { [name]: false } }, path);
  }

  function present(names: readonly string[], path: string): Place {
    return putTogether(JSON.stringify(names), { required: names }, path);
  }

  /** The same object under the same key, as rules are told apart by their schemas. */
  function putTogether(key: string, fresh: JsonObject, path: string): Place {
    const known = conjoined.get(key) ?? fresh;
    conjoined.set(key, known);
    return { schema: known, path };
  }

  /** Branches of which exactly one holds: those that can hold at once are held apart. */
  function exclusive(branches: readonly Place[], path: string): readonly Place[] {
    const flat = branches.map((branch) => flatten({ parts: [], pending: [] }, [branch]));
    return branches.flatMap((branch, i) => {
      const own = flat[i];
      if (own === undefined) return [];
      const others = branches.filter((_, j) => {
        const other = j === i ? undefined : flat[j];
        return other !== undefined && !areDisjoint(own.parts, other.parts);
      });
      if (others.length === 0) return [branch];
      try {
        return [
          all([branch.schema, ...others.map((other) => negation.negate(other))], branch.path),
        ];
      } catch (error) {
        if (!RuntimeError.is(error) || error.code !== "UNSUPPORTED_PARAMETER") throw error;
        throw unsupported(
          path,
          `alternatives that no type, const or enum tells apart have to be negated: ${error.message}; use anyOf`,
        );
      }
    });
  }

  function expand(leaf: Leaf): Expression {
    // Many schemas together take as long as several of a few.
    conjunctions += Math.max(1, leaf.parts.length / FEW_SCHEMAS);
    if (conjunctions > MAX_CONJUNCTIONS) {
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
        return arrayExpression(parts, { compile, negate: negated, values: listValues });
      case "object":
        return objectExpression(parts, namesOf(parts, namesParts), compile, closed);
      default:
        return type satisfies never;
    }
  }

  /** All values that are valid by these schemas, each once; nothing where those are too many. */
  function listValues(places: readonly Place[]): readonly Json[] | undefined {
    const leaf = flatten({ parts: [], pending: [] }, places);
    if (leaf === undefined) return [];
    const { parts } = leaf;
    const types = typesOfAll(parts);
    const simple = types.every((type) => type === "null" || type === "boolean");
    const listed = valuesOf(parts) ?? (simple ? [null, true, false] : undefined);
    const valid = listed?.filter((value) => parts.every((part) => isValid(value, part))) ?? [];
    const once = valid.filter((value, i) => !valid.slice(0, i).some((one) => isSame(one, value)));
    return listed === undefined || once.length > MAX_UNIQUE_VALUES ? undefined : once;
  }

  /** The parts of what is asked of names; nothing where it allows none. */
  function namesParts(places: readonly Place[]): readonly Part[] | undefined {
    const leaf = flatten({ parts: [], pending: [] }, places);
    if (leaf === undefined || !typesOfAll(leaf.parts).includes("string")) return undefined;
    const values = valuesOf(leaf.parts);
    if (leaf.pending.length > 0) {
      throw unsupported(places[0]!.path, "alternatives of names cannot be enforced");
    }
    if (values === undefined) return leaf.parts;
    const names = values.filter(
      (value) => typeof value === "string" && leaf.parts.every((part) => isValid(value, part)),
    ) as readonly string[];
    return names.length === 0
      ? undefined
      : [{ schema: { [ONE_OF]: names }, path: places[0]!.path }];
  }

  return compile([
    { schema: root, path: param },
    { schema: also, path: param },
  ]);
}

/** Schemas that hold together in most places. */
const FEW_SCHEMAS = 4;

/** Keywords that have been followed when an alternative is put together. */
const FOLLOWED: ReadonlySet<string> = new Set([
  "$ref",
  "allOf",
  "anyOf",
  "dependentRequired",
  "dependentSchemas",
  "else",
  "if",
  "not",
  "oneOf",
  "then",
]);

/** Whether a part says nothing of its own. */
function isFree({ schema }: Part): boolean {
  return Object.keys(schema).every(
    (key) => FOLLOWED.has(key) || !(Object.hasOwn(KEYWORDS, key) || MADE.has(key)),
  );
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
