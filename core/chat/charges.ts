/**
 * What filters and methods of a template cost, paid before they run: one step of a program may
 * otherwise copy, search or multiply as much text as the engine can hold.
 */
import type { Budget } from "./budget.ts";
import { checkItems, checkText, templateFailed } from "./budget.ts";
import type { Value } from "./syntax.ts";
import { entriesOf, itemsOf, textOf } from "./syntax.ts";

/** Evaluated arguments of a filter or method. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

type Charge = (budget: Budget, subject: Value, args: Arguments) => void;

/** Wider than any page. */
const MAX_INDENT = 1000;

/** Pay for filter or method `name` on `subject`. */
export function chargeOperation(
  budget: Budget,
  name: string,
  subject: Value,
  args: Arguments,
): void {
  (CHARGES.get(name) ?? chargeAll)(budget, subject, args);
}

/** Looks at everything once. */
const chargeAll: Charge = (budget, subject, { positional }) => {
  budget.spendWriting(subject);
  for (const argument of positional) budget.spendWriting(argument);
};

/** Works on the outside of a value, whatever is inside. */
const chargeNothing: Charge = () => {};

const chargeEach: Charge = (budget, subject) => {
  const size = sizeOf(subject);
  checkItems(size);
  budget.spend(4 * size);
};

const chargeSort: Charge = (budget, subject) => {
  const { chars, nodes } = budget.spendWriting(subject);
  const rounds = Math.ceil(Math.log2(sizeOf(subject) + 1));
  budget.spend(rounds * nodes);
  budget.spendChars(rounds * chars);
};

const chargeJoin: Charge = (budget, subject, { positional, named }) => {
  const { chars, nodes } = budget.spendWriting(subject);
  // Joining a text puts the separator between its characters.
  const gaps = textOf(subject)?.length ?? nodes;
  checkText(chars + gaps * lengthOf(positional[0] ?? named.get("separator")));
};

const chargeJson: Charge = (budget, subject, { named }) => {
  const { chars, nodes, depth } = budget.spendWriting(subject);
  const separators = named.get("separators");
  const between = separators === undefined ? 0 : budget.spendWriting(separators).chars;
  checkText(chars + nodes * (between + (widthOf(named.get("indent")) ?? 0) * (depth + 1)));
};

const chargeReplace: Charge = (budget, subject, { positional }) => {
  const text = textOf(subject);
  const from = optionalText(positional[0]);
  const to = optionalText(positional[1]);
  // The engine itself refuses anything but texts.
  if (text === undefined || from === undefined || to === undefined) return;
  budget.spendSearch(text.length, from.length);
  budget.spendChars(text.length);
  const count = from === "" ? text.length + 1 : occurrences(text, from);
  budget.spend(count);
  checkText(text.length + count * Math.max(0, to.length - from.length));
  budget.spendChars(count * to.length);
};

const chargeSplit: Charge = (budget, subject, { positional }) => {
  const text = textOf(subject) ?? "";
  const separator = optionalText(positional[0]) ?? "";
  budget.spendChars(text.length);
  budget.spendSearch(text.length, separator.length);
  const parts =
    separator === "" ? (text.match(/\S+/gu)?.length ?? 0) : occurrences(text, separator) + 1;
  checkItems(parts);
  budget.spend(parts);
};

const chargeGet: Charge = (budget, _subject, { positional }) => {
  for (const argument of positional) budget.spendChars(lengthOf(argument));
};

/** Goes word by word. */
const chargeTitle: Charge = (budget, subject) => budget.spend(lengthOf(subject) / 2);

const chargeIndent: Charge = (budget, subject, { positional, named }) => {
  const text = textOf(subject) ?? "";
  const lines = occurrences(text, "\n") + 1;
  budget.spendWriting(subject);
  budget.spend(lines);
  checkText(text.length + lines * (widthOf(positional[0] ?? named.get("width")) ?? 4));
};

const CHARGES: ReadonlyMap<string, Charge> = new Map<string, Charge>([
  ["length", chargeNothing],
  ["first", chargeNothing],
  ["last", chargeNothing],
  ["list", chargeNothing],
  ["safe", chargeNothing],
  ["default", chargeNothing],
  ["reverse", chargeEach],
  ["items", chargeEach],
  ["keys", chargeEach],
  ["values", chargeEach],
  ["sort", chargeSort],
  ["dictsort", chargeSort],
  ["join", chargeJoin],
  ["tojson", chargeJson],
  ["replace", chargeReplace],
  ["split", chargeSplit],
  ["get", chargeGet],
  ["title", chargeTitle],
  ["indent", chargeIndent],
]);

function sizeOf(value: Value): number {
  return itemsOf(value)?.length ?? entriesOf(value)?.size ?? 0;
}

function optionalText(value: Value | undefined): string | undefined {
  return value === undefined ? undefined : textOf(value);
}

function lengthOf(value: Value | undefined): number {
  return optionalText(value)?.length ?? 0;
}

/** Columns that an argument asks for; refuses what no text could be wide enough for. */
function widthOf(value: Value | undefined): number | undefined {
  if (value?.type !== "IntegerValue") return undefined;
  const width = value.value as number;
  if (!(width <= MAX_INDENT)) throw templateFailed(`it indents by ${width} columns`);
  return Math.max(0, width);
}

function occurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}
