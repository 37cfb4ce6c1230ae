/** Numbers of a schema. */
import { type Expression, NEVER } from "../expression.ts";
import { unsupported } from "../problem.ts";
import { numberOf } from "./check.ts";
import { MAX_DIVISOR, type Part } from "./keywords.ts";
import { type Bound, numberIn } from "./number.ts";

/** Numbers by `minimum`, `maximum`, the exclusive ones and `multipleOf`. */
export function numberExpression(parts: readonly Part[], integer: boolean): Expression {
  let min: Bound | undefined;
  let max: Bound | undefined;
  let divisor = 1;
  const last = parts.at(-1)!;
  for (const part of parts) {
    min = tighter(min, boundOf(part, "minimum", false), 1);
    min = tighter(min, boundOf(part, "exclusiveMinimum", true), 1);
    max = tighter(max, boundOf(part, "maximum", false), -1);
    max = tighter(max, boundOf(part, "exclusiveMaximum", true), -1);
    divisor = commonMultiple(divisor, divisorOf(part));
  }
  if (divisor > MAX_DIVISOR) {
    throw unsupported(last.path, `multipleOf together is ${divisor}, above ${MAX_DIVISOR}`);
  }
  if (min !== undefined && max !== undefined && min.value > max.value) return NEVER;
  const bounds = { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
  // A fraction is no multiple of a whole number; 1 asks for a whole number, too.
  const whole = integer || parts.some((part) => numberOf(part, "multipleOf") !== undefined);
  return numberIn({ integer: whole, divisor, ...bounds }, last.path);
}

function boundOf(part: Part, key: string, exclusive: boolean): Bound | undefined {
  const value = numberOf(part, key);
  return value === undefined ? undefined : { value, exclusive };
}

/** The higher of two bounds where `sign` is 1, the lower one where it is -1. */
function tighter(a: Bound | undefined, b: Bound | undefined, sign: 1 | -1): Bound | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.value === b.value) return a.exclusive ? a : b;
  return (a.value - b.value) * sign > 0 ? a : b;
}

function divisorOf(part: Part): number {
  const divisor = numberOf(part, "multipleOf") ?? 1;
  if (Number.isInteger(divisor) && divisor >= 1 && divisor <= MAX_DIVISOR) return divisor;
  throw unsupported(
    `${part.path}.multipleOf`,
    `only whole numbers up to ${MAX_DIVISOR} are enforced, as fractions have no exact multiples`,
  );
}

function commonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a * b) / x;
}
