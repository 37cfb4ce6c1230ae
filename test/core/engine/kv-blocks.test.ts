import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createKvBlocks } from "../../../core/engine/kv-blocks.ts";

describe("createKvBlocks", () => {
  test("reserves just enough blocks and nothing where they do not suffice", () => {
    const blocks = createKvBlocks(4, 8);
    const held: number[] = [];
    expect(blocks.capacity).toBe(32);
    expect(blocks.reserve(held, 8, "a")).toBe(true);
    expect(held.length).toBe(1);
    expect(blocks.reserve(held, 9, "a")).toBe(true);
    expect(blocks.reserve(held, 16, "a")).toBe(true);
    expect(held.length).toBe(2);
    expect(blocks.reserve(held, 33, "a")).toBe(false);
    expect(held.length).toBe(2);
    expect(blocks.free).toBe(2);
    blocks.release(held);
    expect(held).toEqual([]);
    expect(blocks.free).toBe(4);
  });

  test("refuses to release a block twice or one that never was", () => {
    const blocks = createKvBlocks(2, 4);
    expect(() => blocks.release([0])).toThrow(RangeError);
    const held: number[] = [];
    blocks.reserve(held, 4, "a");
    const copy = held.slice();
    blocks.release(held);
    expect(() => blocks.release(copy)).toThrow(RangeError);
    expect(() => blocks.release([9])).toThrow(RangeError);
  });

  test("keeps a block's content until the room is needed, oldest first, and shares it meanwhile", () => {
    const lost: number[] = [];
    const blocks = createKvBlocks(3, 4, { lost: (block) => lost.push(block) });
    const [one, two]: [number[], number[]] = [[], []];
    blocks.reserve(one, 8, "a");
    const kept = one.slice();
    for (const block of kept) blocks.keep(block);
    blocks.share(two, kept[0]!);
    blocks.release(one);
    expect(blocks.free).toBe(2);
    expect(() => blocks.share(one, 99)).toThrow(RangeError);
    blocks.release(two);
    expect(blocks.free).toBe(3);
    // The end of what was let go together is given up before its beginning; what is empty goes first.
    blocks.reserve(one, 8, "a");
    expect(lost).toEqual([kept[1]]);
    expect(() => blocks.share(two, kept[1]!)).not.toThrow();
    blocks.reserve(two, 8, "a");
    expect(lost).toEqual([kept[1], kept[0]]);
  });

  test("tells of blocks that come to another tenant, once, and of no others", () => {
    const told: number[][] = [];
    const blocks = createKvBlocks(4, 4, { handedOver: (handed) => told.push([...handed]) });
    const [one, two]: [number[], number[]] = [[], []];
    blocks.reserve(one, 12, "a");
    const [first, second, third] = one.slice();
    blocks.release(one);
    // The tenant's own again, then one that nobody has had.
    blocks.reserve(one, 4, "a");
    blocks.reserve(two, 12, "b");
    expect(told).toEqual([[second!, third!]]);
    blocks.release(two);
    blocks.reserve(two, 8, "b");
    expect(told).toHaveLength(1);
    blocks.release(two);
    blocks.release(one);
    blocks.reserve(one, 16, "a");
    expect(told).toHaveLength(2);
    expect(told[1]).not.toContain(first);
    expect(told[1]).toHaveLength(3);
  });

  test("never gives a block to two holders and loses none", () => {
    const step = fc.tuple(fc.nat(4), fc.nat(40));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const blocks = createKvBlocks(12, 4);
        const holders: number[][] = Array.from({ length: 5 }, () => []);
        for (const [who, positions] of steps) {
          const held = holders[who]!;
          if (positions < 10) blocks.release(held);
          else blocks.reserve(held, positions, "a");
          const all = holders.flat();
          expect(new Set(all).size).toBe(all.length);
          expect(all.every((block) => block >= 0 && block < 12)).toBe(true);
          expect(blocks.free).toBe(12 - all.length);
        }
      }),
    );
  });
});
