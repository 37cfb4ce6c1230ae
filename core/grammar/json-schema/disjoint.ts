/** Whether two conjunctions of schemas can be seen to have no value in common. */
import { propertiesOf, requiredOf, typesOfAll } from "./check.ts";
import { isList, isObject, type Json, member, type Part } from "./keywords.ts";
import { isSame } from "./valid.ts";

/** `false` where it cannot be seen. */
export function areDisjoint(a: readonly Part[], b: readonly Part[]): boolean {
  return haveOtherValues(a, b) || haveOtherTypes(a, b) || haveOtherMembers(a, b);
}

function haveOtherValues(a: readonly Part[], b: readonly Part[]): boolean {
  const [left, right] = [namedValues(a), namedValues(b)];
  if (left === undefined || right === undefined) return false;
  return !left.some((one) => right.some((other) => isSame(one, other)));
}

function namedValues(parts: readonly Part[]): readonly Json[] | undefined {
  for (const { schema } of parts) {
    const constant = member(schema, "const");
    if (constant !== undefined) return [constant];
    const listed = member(schema, "enum");
    if (listed !== undefined && isList(listed)) return listed;
  }
  return undefined;
}

function haveOtherTypes(a: readonly Part[], b: readonly Part[]): boolean {
  const right = new Set(kinds(b));
  return !kinds(a).some((type) => right.has(type));
}

function kinds(parts: readonly Part[]): string[] {
  // Whole numbers are numbers.
  return typesOfAll(parts).map((type) => (type === "integer" ? "number" : type));
}

/** Both are objects that must have a member whose values differ. */
function haveOtherMembers(a: readonly Part[], b: readonly Part[]): boolean {
  if (![a, b].every((parts) => typesOfAll(parts).every((type) => type === "object"))) return false;
  const [left, right] = [requiredMembers(a), requiredMembers(b)];
  for (const [name, parts] of left) {
    const others = right.get(name);
    if (others !== undefined && (haveOtherValues(parts, others) || haveOtherTypes(parts, others))) {
      return true;
    }
  }
  return false;
}

function requiredMembers(parts: readonly Part[]): ReadonlyMap<string, readonly Part[]> {
  const required = new Set(parts.flatMap(requiredOf));
  const found = new Map<string, Part[]>();
  for (const part of parts) {
    for (const [name, { schema, path }] of propertiesOf(part)) {
      if (!required.has(name) || !isObject(schema)) continue;
      found.set(name, [...(found.get(name) ?? []), { schema, path }]);
    }
  }
  return found;
}
