import { createAutomaton } from "../../../core/grammar/automaton.ts";
import { buildGrammar } from "../../../core/grammar/build.ts";
import type { Expression } from "../../../core/grammar/expression.ts";
import type { Grammar } from "../../../core/grammar/grammar.ts";

/** Whether a whole text is among those of a grammar, found byte by byte. */
export function matcherOf(grammar: Grammar): (text: string) => boolean {
  const automaton = createAutomaton(grammar);
  return (text) => {
    automaton.allow();
    let state: ReturnType<typeof automaton.step> = automaton.begin(false);
    for (const byte of new TextEncoder().encode(text)) {
      if (state === null) return false;
      state = automaton.step(state, automaton.classes[byte]!);
    }
    return state?.accepts ?? false;
  };
}

/** The same for an expression. */
export function matcherOfExpression(expression: Expression): (text: string) => boolean {
  return matcherOf(buildGrammar("", expression, "grammar"));
}
