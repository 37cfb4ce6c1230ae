/**
 * What suites use of vitest, for runtimes in which vitest does not run: test/runtimes/bundle.ts puts this in its
 * place. The matchers are vitest's own.
 */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from "@vitest/expect";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

type Asymmetric = Record<string, unknown>;
const asymmetric = (globalThis as Record<symbol, Asymmetric>)[ASYMMETRIC_MATCHERS_OBJECT]!;

/** vitest's `expect`. */
export const expect: unknown = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  asymmetric,
);
setState({}, expect as Parameters<typeof setState>[1]);

type Body = (...values: unknown[]) => unknown;

interface Scope {
  readonly name: string;
  readonly parent: Scope | undefined;
  readonly before: Body[];
  readonly after: Body[];
  readonly parts: (Scope | Case)[];
}

interface Case {
  readonly name: string;
  readonly run: Body;
}

let scope = createScope("", undefined);

function createScope(name: string, parent: Scope | undefined): Scope {
  return { name, parent, before: [], after: [], parts: [] };
}

function addScope(name: string, define: Body): void {
  const outer = scope;
  const inner = createScope(name, outer);
  outer.parts.push(inner);
  scope = inner;
  try {
    define();
  } finally {
    scope = outer;
  }
}

function addCase(name: string, run: Body): void {
  scope.parts.push({ name, run });
}

type Add = (name: string, body: Body) => void;

/** `describe` or `test` with the ways to repeat and to leave out. */
function withTables(add: Add): Add & Record<"each" | "for" | "skipIf" | "runIf", unknown> {
  const table =
    (spread: boolean) =>
    (rows: readonly unknown[]) =>
    (name: string, ...rest: readonly unknown[]): void => {
      const body = rest.find((one) => typeof one === "function") as Body;
      for (const [i, row] of rows.entries()) {
        const values = spread && Array.isArray(row) ? (row as unknown[]) : [row];
        add(`${name} [${i}]`, () => body(...values));
      }
    };
  const plain = (name: string, ...rest: readonly unknown[]): void =>
    add(name, rest.find((one) => typeof one === "function") as Body);
  const none = Object.assign(() => {}, { each: () => () => {}, for: () => () => {} });
  const some = Object.assign(plain, { each: table(true), for: table(false) });
  return Object.assign(some, {
    skipIf: (condition: unknown) => (condition ? none : some),
    runIf: (condition: unknown) => (condition ? some : none),
  });
}

export const describe: unknown = withTables(addScope);
export const test: unknown = withTables(addCase);
export const beforeAll = (run: Body): void => void scope.before.push(run);
export const afterAll = (run: Body): void => void scope.after.push(run);

/** vitest's limit for `waitFor`. */
const WAIT_MS = 1000;

export const vi = {
  async waitFor(look: () => unknown): Promise<void> {
    const begin = performance.now();
    for (;;) {
      try {
        await look();
        return;
      } catch (error) {
        if (performance.now() - begin > WAIT_MS) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  },
};

/** Failures that are told; one defect may fail many. */
const MOST_FAILURES = 5;

/** Run what `define` describes, one after another; gives how many tests passed. Throws where one fails. */
export async function runSuite(define: () => unknown): Promise<string> {
  scope = createScope("", undefined);
  await define();
  const failures: string[] = [];
  const passed = await runScope(scope, failures);
  if (passed === 0 || failures.length > 0) {
    const told = failures.slice(0, MOST_FAILURES).join("\n");
    throw new Error(`${passed} tests passed, ${failures.length} failed:\n${told}`);
  }
  return `${passed} tests`;
}

async function runScope({ before, after, parts }: Scope, failures: string[]): Promise<number> {
  let passed = 0;
  for (const run of before) await run();
  for (const part of parts) {
    if ("parts" in part) {
      passed += await runScope(part, failures);
      continue;
    }
    try {
      await part.run({});
      passed++;
    } catch (error) {
      failures.push(`${part.name}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  for (const run of after) await run();
  return passed;
}
