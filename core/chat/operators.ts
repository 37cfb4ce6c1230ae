/** What a template's binary operators cost, paid before they run. */
import type { Budget } from "./budget.ts";
import { checkItems } from "./budget.ts";
import type { Value } from "./syntax.ts";
import { entriesOf, itemsOf, textOf } from "./syntax.ts";

/** Pay for a binary operator other than `and` and `or`. */
export function chargeOperator(budget: Budget, operator: string, left: Value, right: Value): void {
  if (operator === "+" || operator === "~") chargeJoining(budget, operator, left, right);
  else if (operator === "==" || operator === "!=") chargeComparison(budget, left, right);
  else if (operator === "in" || operator === "not in") chargeMembership(budget, left, right);
}

function chargeJoining(budget: Budget, operator: string, left: Value, right: Value): void {
  const items = (itemsOf(left)?.length ?? 0) + (itemsOf(right)?.length ?? 0);
  if (operator === "+" && itemsOf(left) !== undefined && itemsOf(right) !== undefined) {
    checkItems(items);
    budget.spend(items);
    return;
  }
  // Texts are joined without being copied; anything else is written out first.
  for (const side of [left, right]) {
    if (textOf(side) === undefined) budget.spendWriting(side);
  }
}

function chargeComparison(budget: Budget, left: Value, right: Value): void {
  const leftText = textOf(left);
  if (leftText !== undefined && leftText.length === textOf(right)?.length) {
    budget.spendChars(leftText.length);
    return;
  }
  // JavaScript compares a list with a text by writing the list out.
  if (isContainer(left) && !isContainer(right)) budget.spendWriting(left);
  if (isContainer(right) && !isContainer(left)) budget.spendWriting(right);
}

function chargeMembership(budget: Budget, left: Value, right: Value): void {
  const sought = textOf(left)?.length ?? 0;
  const items = itemsOf(right)?.length ?? 0;
  budget.spend(items);
  budget.spendChars(items * sought);
  budget.spendSearch(textOf(right)?.length ?? 0, sought);
}

function isContainer(value: Value): boolean {
  return itemsOf(value) !== undefined || entriesOf(value) !== undefined;
}
