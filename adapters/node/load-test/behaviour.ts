/**
 * How a client treats the server. `polite` reads its answer to the end; `slow` reads a KiB a second;
 * `leave` goes in the middle of the answer; `leave-early` before its first token; `oversize` sends a
 * body that has to be refused.
 */
export type Behaviour = "polite" | "slow" | "leave" | "leave-early" | "oversize";

/** The rude ones. */
export const BEHAVIOURS: readonly Exclude<Behaviour, "polite">[] = [
  "slow",
  "leave",
  "leave-early",
  "oversize",
];

/** Shares of the rude ones, together at most 1; the rest is polite. */
export type Mix = Readonly<Partial<Record<Exclude<Behaviour, "polite">, number>>>;

/** Read `slow=0.1,leave=0.2`. Throws `RangeError` for what is no such list. */
export function parseMix(text: string): Mix {
  const mix: Partial<Record<Exclude<Behaviour, "polite">, number>> = {};
  let sum = 0;
  for (const part of text.split(",").filter((one) => one.trim() !== "")) {
    const [name = "", value = ""] = part.split("=").map((side) => side.trim());
    const behaviour = BEHAVIOURS.find((one) => one === name);
    const share = Number(value);
    if (behaviour === undefined || value === "" || !(share >= 0 && share <= 1)) {
      throw new RangeError(
        `Cannot read '${part}': expected one of ${BEHAVIOURS.join(", ")}, '=' and a share from 0 to 1`,
      );
    }
    mix[behaviour] = share;
    sum += share;
  }
  if (sum > 1) throw new RangeError(`The shares of '${text}' add up to ${sum}, which exceeds 1`);
  return mix;
}
