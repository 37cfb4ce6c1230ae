/**
 * Runs a parsed template within a {@linkcode Budget}. The engine evaluates every node through
 * `evaluate`; this one looks at the operands before it lets the engine work on them, so nothing the
 * engine does in one go is left unpaid.
 */
import { Environment, Interpreter } from "@huggingface/jinja";
import type { Budget } from "./budget.ts";
import {
  checkItems,
  checkText,
  MAX_DEPTH,
  MAX_NODE_DEPTH,
  overrun,
  templateFailed,
} from "./budget.ts";
import type { Arguments } from "./charges.ts";
import { chargeOperation } from "./charges.ts";
import { chargeOperator } from "./operators.ts";
import { stripChars } from "./strip.ts";
import type {
  Binary,
  Call,
  CallBlock,
  Filter,
  FilterBlock,
  For,
  KeywordArgument,
  Mapping,
  Member,
  Name,
  Node,
  Program,
  Select,
  Spread,
  Test,
  Value,
} from "./syntax.ts";
import { entriesOf, hold, itemsOf, nodesOf, textOf } from "./syntax.ts";

/** Two scopes and the loop's own variables, a table each, for every round. */
const STEPS_PER_ROUND = 16;
/** A macro's name is looked for in the scopes of all calls it is in. */
const STEPS_PER_SCOPE = 1 / 8;
/** Operations whose operands are evaluated and paid for first. */
const STEPS_PER_OPERATION = 1;
/** The engine makes a text's methods anew for each text they are asked of. */
const STEPS_PER_TEXT_MEMBER = 8;
/** `break` and `continue` are exceptions, with a trace of the stack each. */
const STEPS_PER_JUMP = 48;

/** What is known of a template since it was parsed. */
export interface ParsedTemplate {
  readonly program: Program;
  /** Nodes whose value is written into the prompt. */
  readonly printed: ReadonlySet<Node>;
}

/** The text that `template` makes of `variables`. */
export function runTemplate(
  { program, printed }: ParsedTemplate,
  variables: Readonly<Record<string, unknown>>,
  budget: Budget,
): string {
  const globals = new Environment();
  for (const [name, value] of Object.entries(variables)) globals.set(name, value);
  globals.variables = new Globals(globals.variables);
  const result = new BudgetedInterpreter(globals, budget, printed).run(program);
  return textOf(result) ?? "";
}

/** The outermost scope has every name: the engine raises, and catches, an exception for each missing one. */
class Globals extends Map<string, Value> {
  override has(): boolean {
    return true;
  }
}

/** A method together with the value it was asked of. */
interface Bound {
  readonly subject: Value;
  readonly name: string;
}

interface EvaluatedArguments extends Arguments {
  readonly nodes: readonly Node[];
}

class BudgetedInterpreter extends Interpreter {
  readonly #budget: Budget;
  readonly #printed: ReadonlySet<Node>;
  readonly #methods = new WeakMap<Value, Bound>();
  #depth = 0;
  #calls = 0;

  constructor(globals: Environment, budget: Budget, printed: ReadonlySet<Node>) {
    super(globals);
    this.#budget = budget;
    this.#printed = printed;
  }

  override evaluate(node: Node | undefined, scope: Environment): Value {
    if (node === undefined) return super.evaluate(node, scope);
    if (node.type === "Held") return (node as ReturnType<typeof hold>).held;
    this.#budget.spend(1 + this.#calls * STEPS_PER_SCOPE);
    if (this.#depth >= MAX_NODE_DEPTH) throw overrun(`nesting deeper than ${MAX_NODE_DEPTH}`);
    this.#depth++;
    let value: Value;
    try {
      value = this.#evaluate(node, scope);
    } finally {
      this.#depth--;
    }
    const text = textOf(value);
    if (text !== undefined) checkText(text.length);
    else if (value.type === "ArrayValue") checkItems((value.value as Value[]).length);
    if (text === undefined && this.#printed.has(node)) this.#budget.spendWriting(value);
    return value;
  }

  #evaluate(node: Node, scope: Environment): Value {
    switch (node.type) {
      case "For":
        return this.#for(node as For, scope);
      case "FilterExpression": {
        const { operand, filter } = node as Filter;
        return this.#filter(this.evaluate(operand, scope), filter, scope);
      }
      case "FilterStatement": {
        const { body, filter } = node as FilterBlock;
        const block: Program = { type: "Program", body };
        return this.#filter(this.evaluate(block, scope), filter, scope);
      }
      case "CallExpression":
        return this.#call(node as Call, scope);
      case "CallStatement":
        return this.#callBlock(node as CallBlock, scope);
      case "Macro":
        this.#budget.spend(sizeOf(node));
        return super.evaluate(node, scope);
      case "MemberExpression":
        return this.#member(node as Member, scope);
      case "BinaryExpression":
        return this.#binary(node as Binary, scope);
      case "TestExpression": {
        const operand = this.evaluate((node as Test).operand, scope);
        this.#budget.spend(STEPS_PER_OPERATION);
        this.#budget.spendChars(textOf(operand)?.length ?? 0);
        const { negate, test } = node as Test;
        const held: Test = { type: node.type, operand: hold(operand), negate, test };
        return super.evaluate(held, scope);
      }
      case "ObjectLiteral":
        return this.#mapping(node as Mapping, scope);
      case "Break":
      case "Continue":
        this.#budget.spend(STEPS_PER_JUMP);
        return super.evaluate(node, scope);
      default:
        return super.evaluate(node, scope);
    }
  }

  #for(node: For, scope: Environment): Value {
    const select =
      node.iterable.type === "SelectExpression" ? (node.iterable as Select) : undefined;
    let iterable = this.evaluate(select?.lhs ?? node.iterable, scope);
    // As in Jinja2, nothing is there to go through in a name that is not defined; the engine refuses.
    if (iterable.type === "UndefinedValue" || iterable.type === "NullValue") iterable = toValue([]);
    const rounds = itemsOf(iterable)?.length ?? entriesOf(iterable)?.size ?? 0;
    this.#budget.spend(STEPS_PER_ROUND * rounds);
    const held = hold(iterable);
    const { type, loopvar, body, defaultBlock } = node;
    const chosen: Node | Select =
      select === undefined ? held : { type: select.type, lhs: held, test: select.test };
    const loop: For = { type, loopvar, iterable: chosen, body, defaultBlock };
    return super.evaluate(loop, scope);
  }

  /** Names of entries are looked up, so texts that were only joined so far are copied now. */
  #mapping(node: Mapping, scope: Environment): Value {
    const entries = new Map<Node, Node>();
    for (const [key, value] of node.value) {
      const name = this.evaluate(key, scope);
      this.#budget.spendChars(textOf(name)?.length ?? 0);
      entries.set(hold(name), value);
    }
    const mapping: Mapping = { type: node.type, value: entries };
    return super.evaluate(mapping, scope);
  }

  #filter(operand: Value, filter: Name | Call, scope: Environment): Value {
    let name = filter as Name;
    let applied = filter;
    let args: Arguments = { positional: [], named: new Map() };
    if (filter.type === "CallExpression") {
      name = filter.callee as Name;
      const evaluated = this.#arguments(filter.args, scope);
      const call: Call = { type: filter.type, callee: filter.callee, args: evaluated.nodes };
      applied = call;
      args = evaluated;
    }
    this.#budget.spend(STEPS_PER_OPERATION);
    chargeOperation(this.#budget, name.value, operand, args);
    const node: Filter = { type: "FilterExpression", operand: hold(operand), filter: applied };
    // An empty list has no first or last item: the engine returns nothing at all for it.
    const value: Value | undefined = super.evaluate(node, scope);
    return value ?? super.evaluate(undefined, scope);
  }

  #call(node: Call, scope: Environment): Value {
    this.#budget.spend(STEPS_PER_OPERATION);
    const args = this.#arguments(node.args, scope);
    const callee = this.evaluate(node.callee, scope);
    const method = this.#methods.get(callee);
    if (method !== undefined) {
      const { name, subject } = method;
      const text = textOf(subject);
      chargeOperation(this.#budget, name, subject, args);
      const chars = textOf(args.positional[0] ?? subject);
      if (args.positional.length > 0 && text !== undefined && chars !== undefined) {
        if (name === "strip" || name === "lstrip" || name === "rstrip") {
          this.#budget.spendChars(8 * text.length);
          return toValue(stripChars(name, text, chars));
        }
      }
    }
    const call: Call = { type: node.type, callee: hold(callee), args: args.nodes };
    return this.#enter(() => super.evaluate(call, scope));
  }

  #callBlock(node: CallBlock, scope: Environment): Value {
    this.#budget.spend(sizeOf(node));
    const args = this.#arguments(node.call.args, scope);
    const callee = this.evaluate(node.call.callee, scope);
    if (this.#methods.has(callee)) throw templateFailed("it calls a method with a block");
    const call: Call = { type: node.call.type, callee: hold(callee), args: args.nodes };
    const { type, callerArgs, body } = node;
    const block: CallBlock = { type, call, callerArgs, body };
    return this.#enter(() => super.evaluate(block, scope));
  }

  #enter(run: () => Value): Value {
    if (this.#calls >= MAX_DEPTH) throw overrun(`calls nested deeper than ${MAX_DEPTH}`);
    this.#calls++;
    try {
      return run();
    } finally {
      this.#calls--;
    }
  }

  #member(node: Member, scope: Environment): Value {
    const { type, computed } = node;
    const object = this.evaluate(node.object, scope);
    const text = textOf(object);
    this.#budget.spend(text === undefined ? STEPS_PER_OPERATION : STEPS_PER_TEXT_MEMBER);
    if (computed && node.property.type === "SliceExpression") {
      // A text is taken apart into its characters for that.
      this.#budget.spend((text?.length ?? itemsOf(object)?.length ?? 0) / 4);
      const slice: Member = { type, object: hold(object), property: node.property, computed };
      return super.evaluate(slice, scope);
    }
    const key = computed ? this.evaluate(node.property, scope) : undefined;
    const name = key === undefined ? (node.property as Name).value : textOf(key);
    if (key !== undefined) this.#budget.spendChars(name?.length ?? 0);
    const property = key === undefined ? node.property : hold(key);
    const member: Member = { type, object: hold(object), property, computed };
    const value = super.evaluate(member, scope);
    if (value.type === "FunctionValue" && name !== undefined) {
      const own = entriesOf(object)?.get(name) === value;
      if (!own) this.#methods.set(value, { subject: object, name });
    }
    return value;
  }

  #binary(node: Binary, scope: Environment): Value {
    const { type, operator } = node;
    if (operator.value === "and" || operator.value === "or") return super.evaluate(node, scope);
    const left = this.evaluate(node.left, scope);
    const right = this.evaluate(node.right, scope);
    this.#budget.spend(STEPS_PER_OPERATION);
    chargeOperator(this.#budget, operator.value, left, right);
    const held: Binary = { type, operator, left: hold(left), right: hold(right) };
    return super.evaluate(held, scope);
  }

  /** Arguments evaluated once, and nodes that stand for them. */
  #arguments(args: readonly Node[], scope: Environment): EvaluatedArguments {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    const nodes = args.map((node): Node => {
      switch (node.type) {
        case "KeywordArgumentExpression": {
          const { type, key, value: argument } = node as KeywordArgument;
          const value = this.evaluate(argument, scope);
          named.set(key.value, value);
          const held: KeywordArgument = { type, key, value: hold(value) };
          return held;
        }
        case "SpreadExpression":
        case "KeywordSpreadExpression": {
          const value = this.evaluate((node as Spread).argument, scope);
          const items = itemsOf(value) ?? [];
          const entries = entriesOf(value) ?? new Map<string, Value>();
          this.#budget.spend(items.length + entries.size);
          positional.push(...items);
          for (const [key, item] of entries) named.set(key, item);
          const held: Spread = { type: node.type, argument: hold(value) };
          return held;
        }
        default: {
          const value = this.evaluate(node, scope);
          positional.push(value);
          // Some filters insist on seeing a literal.
          return node.type === "StringLiteral" ? node : hold(value);
        }
      }
    });
    return { positional, named, nodes };
  }
}

/** A template's value for one of ours. */
function toValue(value: string | readonly never[]): Value {
  return new Environment().set("value", value);
}

const sizes = new WeakMap<Node, number>();

/** Nodes of a tree: the engine searches a macro's whole body each time it is defined. */
function sizeOf(node: Node): number {
  let size = sizes.get(node);
  if (size === undefined) {
    size = 0;
    for (const _ of nodesOf(node)) size++;
    sizes.set(node, size);
  }
  return size;
}
