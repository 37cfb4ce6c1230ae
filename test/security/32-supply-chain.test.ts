import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const read = (path: string) =>
  JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));

/** What an installation brings beside the package itself; more has to be decided, not slipped in. */
const MOST_DEPENDENCIES = 10;

/** What is looked at of a locked package. */
interface Locked {
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
}

describe("32 dependencies are few, exact and locked", () => {
  test("package.json names exact versions only", () => {
    const { dependencies, devDependencies, scripts } = read("package.json");
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, name).toMatch(/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/);
    }
    // Nothing runs where the package is installed.
    for (const hook of ["preinstall", "install", "postinstall", "prepare"])
      expect(scripts).not.toHaveProperty(hook);
  });

  test("every locked package has a digest, and what users install stays within the budget", () => {
    const { packages } = read("package-lock.json");
    const locked = Object.entries<Locked>(packages).filter(([path]) => path !== "");
    for (const [path, { integrity }] of locked) expect(integrity, path).toMatch(/^sha512-/);
    const shipped = locked
      .filter(([, { dev, devOptional, optional }]) => !(dev ?? devOptional ?? optional ?? false))
      .map(([path]) => path);
    expect(shipped.length, shipped.join(" ")).toBeLessThanOrEqual(MOST_DEPENDENCIES);
  });
});
