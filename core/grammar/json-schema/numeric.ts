/** Numbers of a schema. */
import { type Expression, NEVER } from "../expression.ts";
import { unsupported } from "../problem.ts";
import { numberOf } from "./check.ts";
import { FRACTION, MAX_DECIMALS, MAX_DIVISOR, member, type Part } from "./keywords.ts";
import { type Bound, type Divisor, numberIn } from "./number.ts";

/** Numbers by `minimum`, `maximum`, the exclusive ones and `multipleOf`. */
export function numberExpression(parts: readonly Part[], integer: boolean): Expression {
  let min: Bound | undefined;
  let max: Bound | undefined;
  let divisor: Divisor | undefined;
  const last = parts.at(-1)!;
  for (const part of parts) {
    min = tighter(min, boundOf(part, "minimum", false), 1);
    min = tighter(min, boundOf(part, "exclusiveMinimum", true), 1);
    max = tighter(max, boundOf(part, "maximum", false), -1);
    max = tighter(max, boundOf(part, "exclusiveMaximum", true), -1);
    divisor = commonMultiple(divisor, divisorOf(part));
  }
  if (divisor !== undefined && divisor.value > MAX_DIVISOR) {
    throw unsupported(last.path, `multipleOf together is ${divisor.value}, above ${MAX_DIVISOR}`);
  }
  if (min !== undefined && max !== undefined && min.value > max.value) return NEVER;
  const range = {
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(divisor === undefined ? {} : { divisor }),
    fraction: parts.some(({ schema }) => member(schema, FRACTION) === true),
  };
  // What divides a number without decimal places is a whole number.
  return numberIn({ integer: integer || divisor?.decimals === 0, ...range }, last.path);
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

/** What `multipleOf` asks for, by its decimal digits; nothing where it asks for nothing. */
export function divisorOf(part: Part): Divisor | undefined {
  const given = numberOf(part, "multipleOf");
  if (given === undefined) return undefined;
  if (given > 0) {
    for (let decimals = 0; decimals <= MAX_DECIMALS; decimals++) {
      const value = Math.round(given * 10 ** decimals);
      if (value > MAX_DIVISOR) break;
      // The nearest number to these digits is the one that was written.
      if (Number(`${value}e-${decimals}`) === given) return { value, decimals };
    }
  }
  throw unsupported(
    `${part.path}.multipleOf`,
    `only numbers of up to ${MAX_DECIMALS} decimal places that are at most ${MAX_DIVISOR} without their point are enforced`,
  );
}

function commonMultiple(a: Divisor | undefined, b: Divisor | undefined): Divisor | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const decimals = Math.max(a.decimals, b.decimals);
  const [left, right] = [a, b].map((one) => one.value * 10 ** (decimals - one.decimals)) as [
    number,
    number,
  ];
  let [x, y] = [left, right];
  while (y > 0) [x, y] = [y, x % y];
  return { value: (left / x) * right, decimals };
}

/** Whether a number is a multiple, by its decimal digits. */
export function isMultiple(number: number, { value, decimals }: Divisor): boolean {
  // Digits of a number as it is written, without an exponent.
  const [digits = "0", exponent = "0"] = String(Math.abs(number)).split("e");
  const [whole = "0", fraction = ""] = digits.split(".");
  const places = fraction.length - Number(exponent);
  if (places > decimals) return number === 0;
  return (BigInt(whole + fraction) * 10n ** BigInt(decimals - places)) % BigInt(value) === 0n;
}
