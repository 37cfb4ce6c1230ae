/**
 * What this project uses of `@huggingface/jinja`. The package's own declarations import each other
 * without file extensions, which TypeScript does not resolve for ES modules; `paths` in
 * core/tsconfig.json points here instead. Exactly the pinned version's shapes: see package.json.
 */
import type { Node, Program, Value } from "./syntax.ts";

/** A scope. */
export declare class Environment {
  variables: Map<string, Value>;
  constructor(parent?: Environment);
  /** Declares a variable from a JavaScript value; returns the template's value for it. */
  set(name: string, value: unknown): Value;
}

/** Walks a tree. Every node, an expression's parts too, is evaluated through `this.evaluate`. */
export declare class Interpreter {
  constructor(environment?: Environment);
  run(program: Program): Value;
  evaluate(node: Node | undefined, environment: Environment): Value;
}

/** A token of a template's source. */
export interface Token {
  readonly type: string;
  readonly value: string;
}

export declare function tokenize(
  source: string,
  options?: { readonly lstrip_blocks?: boolean; readonly trim_blocks?: boolean },
): Token[];

export declare function parse(tokens: readonly Token[]): Program;
