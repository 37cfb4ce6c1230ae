/** Numbers within bounds, as a graph over their digits. */
import { charSet } from "../chars.ts";
import { choice, type Expression, type Graph, literal, NEVER, seq } from "../expression.ts";
import { unsupported } from "../problem.ts";
import { INTEGER, MAX_DIGITS, NUMBER } from "./text.ts";

/** A bound of a number. */
export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

/** What a number has to be. */
export interface NumberRange {
  readonly integer: boolean;
  readonly min?: Bound;
  readonly max?: Bound;
  /** Whether it must not be a whole number. */
  readonly fraction?: boolean;
  /** What it has to be divisible by. */
  readonly divisor?: Divisor;
}

/** `value` / 10^`decimals`, both whole numbers. */
export interface Divisor {
  readonly value: number;
  readonly decimals: number;
}

/** What all numbers of {@linkcode MAX_DIGITS} are divisible by, as far as it is asked. */
export const ANY_DIVISOR: Divisor = { value: 1, decimals: MAX_DIGITS };

/** A bound of a number without its sign: digits before and after the point, without needless zeros. */
interface Limit {
  readonly whole: string;
  readonly fraction: string;
  readonly exclusive: boolean;
}

const ZERO: Limit = { whole: "0", fraction: "", exclusive: true };
/** Beyond this no number of {@linkcode MAX_DIGITS} digits is. */
const BEYOND = 10 ** MAX_DIGITS;

/** Numbers of a range, each digit by digit; exponents only where nothing is asked for. Throws naming `param`. */
export function numberIn(range: NumberRange, param: string): Expression {
  const { integer, fraction = false, divisor = ANY_DIVISOR } = range;
  if (range.min === undefined && range.max === undefined && divisor === ANY_DIVISOR && !fraction) {
    return integer ? INTEGER : NUMBER;
  }
  if (integer && fraction) return NEVER;
  const kind: Kind = { integer, fraction, divisor };
  const min = integer ? roundUp(range.min) : range.min;
  const max = integer ? roundDown(range.max) : range.max;
  const limit = (bound: Bound | undefined): Limit | undefined =>
    bound === undefined ? undefined : toLimit(bound, param);
  const parts: Expression[] = [];
  if (max === undefined || max.value >= 0) {
    const low = isAboveZero(min) ? limit(min) : undefined;
    parts.push(magnitude(low, limit(max), kind));
  }
  if (min === undefined || min.value < 0) {
    const low = max !== undefined && max.value < 0 ? toLimit(max, param) : ZERO;
    parts.push(seq(literal("-"), magnitude(low, limit(min), kind)));
  }
  return parts.length === 0 ? NEVER : choice(...parts);
}

function isAboveZero(bound: Bound | undefined): boolean {
  return bound !== undefined && (bound.value > 0 || (bound.value === 0 && bound.exclusive));
}

function roundUp(bound: Bound | undefined): Bound | undefined {
  if (bound === undefined) return undefined;
  const value = Math.ceil(bound.value);
  return { value: bound.exclusive && value === bound.value ? value + 1 : value, exclusive: false };
}

function roundDown(bound: Bound | undefined): Bound | undefined {
  if (bound === undefined) return undefined;
  const value = Math.floor(bound.value);
  return { value: bound.exclusive && value === bound.value ? value - 1 : value, exclusive: false };
}

/** The digits of a bound; one that is further away than any number here is as good as the last of them. */
function toLimit({ value, exclusive }: Bound, param: string): Limit {
  const size = Math.abs(value);
  if (size >= BEYOND) return { whole: `1${"0".repeat(MAX_DIGITS)}`, fraction: "", exclusive };
  const fixed = size < 1e-6 && size > 0 ? size.toFixed(20) : String(size);
  const [whole = "0", tail = ""] = fixed.split(".");
  const fraction = tail.replace(/0+$/, "");
  const digits = (whole === "0" ? "" : whole).length + fraction.length;
  if (digits > MAX_DIGITS) {
    throw unsupported(
      param,
      `a bound of more than ${MAX_DIGITS} digits cannot be enforced exactly`,
    );
  }
  return { whole, fraction, exclusive };
}

/**
 * Numbers from 0 on between two limits. While the digits so far are those of a limit, the next one is bound by it
 * (`low`, `high`); once they differ the rest is free.
 */
function magnitude(
  low: Limit | undefined,
  high: Limit | undefined,
  { integer, fraction: broken, divisor }: Kind,
): Expression {
  /** Whether digits up to that decimal place, of this remainder, are those of a multiple. */
  const divides = (rest: number, decimals: number): boolean =>
    (rest * (10 ** (divisor.decimals - decimals) % divisor.value)) % divisor.value === 0;
  return (graph, from, to) => {
    const states = new Map<string, number>();
    const stateOf = (key: string, draw: (state: number) => void): number => {
      let state = states.get(key);
      if (state === undefined) {
        state = graph.state();
        states.set(key, state);
        draw(state);
      }
      return state;
    };

    function wholePart(
      state: number,
      length: number,
      place: number,
      bound: Bounds,
      rest: number,
    ): void {
      if (place === length) {
        afterWhole(state, length, bound, rest);
        return;
      }
      const least = bound.low ? digitAt(low!.whole, place) : place === 0 && length > 1 ? 1 : 0;
      const most = bound.high ? digitAt(high!.whole, place) : 9;
      const digits = new Map<number, number[]>();
      for (let digit = least; digit <= most; digit++) {
        const next = narrow(bound, digit === least, digit === most);
        const left = (rest * 10 + digit) % divisor.value;
        const key = `w${length},${place + 1},${next.low},${next.high},${left}`;
        const target = stateOf(key, (at) => wholePart(at, length, place + 1, next, left));
        digits.set(target, [...(digits.get(target) ?? []), digit]);
      }
      drawDigits(graph, state, digits);
    }

    function afterWhole(state: number, length: number, bound: Bounds, rest: number): void {
      const enough = !bound.low || (low!.fraction === "" && !low!.exclusive);
      const fits = !bound.high || !high!.exclusive || high!.fraction !== "";
      if (enough && fits && !broken && divides(rest, 0)) graph.nothing(state, to);
      const room = Math.min(MAX_DIGITS - length, divisor.decimals);
      if (integer || room === 0) return;
      const point = stateOf(`p${length},${bound.low},${bound.high},${rest}`, (at) =>
        fraction(at, 0, room, bound, rest, !broken),
      );
      graph.chars(state, charSet([0x2e, 0x2e]), point);
    }

    /** `done`: digits so far are those of a number of the kind that is asked for. */
    function fraction(
      state: number,
      place: number,
      room: number,
      bound: Bounds,
      rest: number,
      done: boolean,
    ): void {
      const enough = !bound.low || (place >= low!.fraction.length && !low!.exclusive);
      const fits = !bound.high || !high!.exclusive || place < high!.fraction.length;
      if (place > 0 && enough && fits && done && divides(rest, place)) graph.nothing(state, to);
      if (place === room) return;
      const least = bound.low ? digitAt(low!.fraction, place) : 0;
      const most = bound.high ? digitAt(high!.fraction, place) : 9;
      const digits = new Map<number, number[]>();
      for (let digit = least; digit <= most; digit++) {
        const next = narrow(bound, digit === least, digit === most);
        const left = (rest * 10 + digit) % divisor.value;
        const whole = done || digit > 0;
        const key = `f${place + 1},${room},${next.low},${next.high},${left},${whole}`;
        const target = stateOf(key, (at) => fraction(at, place + 1, room, next, left, whole));
        digits.set(target, [...(digits.get(target) ?? []), digit]);
      }
      drawDigits(graph, state, digits);
    }

    for (let length = 1; length <= MAX_DIGITS; length++) {
      if (low !== undefined && length < low.whole.length) continue;
      if (high !== undefined && length > high.whole.length) continue;
      const bound = { low: length === low?.whole.length, high: length === high?.whole.length };
      wholePart(from, length, 0, bound, 0);
    }
  };
}

/** What is asked of a number beside its bounds. */
type Kind = Required<Pick<NumberRange, "integer" | "fraction" | "divisor">>;

/** Whether the digits so far are those of the limits. */
interface Bounds {
  readonly low: boolean;
  readonly high: boolean;
}

function narrow(bound: Bounds, isLeast: boolean, isMost: boolean): Bounds {
  return { low: bound.low && isLeast, high: bound.high && isMost };
}

/** A limit goes on with zeros. */
function digitAt(digits: string, place: number): number {
  return place < digits.length ? Number(digits[place]) : 0;
}

/** Digits by where they lead. */
function drawDigits(graph: Graph, from: number, digits: ReadonlyMap<number, number[]>): void {
  for (const [to, run] of digits) {
    graph.chars(from, charSet(...run.map((digit) => [0x30 + digit, 0x30 + digit] as const)), to);
  }
}
