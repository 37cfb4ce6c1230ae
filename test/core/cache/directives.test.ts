import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NO_DIRECTIVES, parseDirectives } from "../../../core/cache/directives.ts";

const parse = (field: string) => parseDirectives(new Headers({ "cache-control": field }));

describe("parseDirectives", () => {
  test("reads what a request may say", () => {
    expect(parse('max-age=60, No-Store,only-if-cached , stale-if-error="300"')).toEqual({
      noStore: true,
      noCache: false,
      onlyIfCached: true,
      maxAge: 60,
      staleIfError: 300,
    });
    expect(parseDirectives(new Headers())).toEqual(NO_DIRECTIVES);
    expect(parse("max-stale")).toMatchObject({ maxStale: 2 ** 31 });
    expect(parse("max-stale=5, min-fresh=7")).toMatchObject({ maxStale: 5, minFresh: 7 });
  });

  test("passes over empty elements and directives that it does not know", () => {
    expect(parse(', ,no-cache,, x-other="a, b\\" no-store" ,')).toEqual({
      ...NO_DIRECTIVES,
      noCache: true,
    });
  });

  test("takes the strictest sense of a value that makes none", () => {
    expect(parse("max-age=soon")).toMatchObject({ maxAge: 0 });
    expect(parse("max-age")).toMatchObject({ maxAge: 0 });
    expect(parse("min-fresh=-1")).toMatchObject({ minFresh: 2 ** 31 });
    expect(parse("max-age=99999999999999999999")).toMatchObject({ maxAge: 2 ** 31 });
    expect(parse('max-age="60')).toEqual({ ...NO_DIRECTIVES, noCache: true, noStore: true });
    // The first of two counts.
    expect(parse("max-age=1, max-age=100")).toMatchObject({ maxAge: 1 });
  });

  test("Pragma counts where there is no Cache-Control", () => {
    expect(parseDirectives(new Headers({ pragma: "no-cache" })).noCache).toBe(true);
    expect(
      parseDirectives(new Headers({ pragma: "no-cache", "cache-control": "max-age=1" })).noCache,
    ).toBe(false);
  });

  test("reads any field, quickly", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom("a", "=", ",", " ", '"', "\\", "-", "0"),
          maxLength: 200,
        }),
        (field) => {
          const read = parse(field.replaceAll(/^[ ]+|[ ]+$/g, ""));
          expect(read.maxAge ?? 0).toBeGreaterThanOrEqual(0);
        },
      ),
    );
    const begun = performance.now();
    parse(`${'"\\'.repeat(4000)} ${", ".repeat(4000)}${'a="'.repeat(4000)}`);
    expect(performance.now() - begun).toBeLessThan(200);
  });
});
