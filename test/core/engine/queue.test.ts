import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FairQueue, createFairQueue, OwnPartFull } from "../../../core/engine/queue.ts";
import { type Sequence, createSequence } from "../../../core/engine/sequence.ts";

const NO_STOPS = new Set<number>();

function waiting(tenant: string, length = 1, priority = 0): Sequence {
  const tokens = Array.from({ length }, () => 1);
  return createSequence(tokens, length + 1, length - 1, NO_STOPS, { tenant, priority });
}

function create(requests = Infinity, tokens = Infinity): FairQueue {
  return createFairQueue({ requests, tokens });
}

/** Let the head run to its end at once, as `rows` rows. */
function serve(queue: FairQueue, rows: number): Sequence {
  const sequence = queue.take();
  sequence.state = "running";
  queue.charge(sequence, rows);
  queue.remove(sequence);
  sequence.state = "ended";
  return sequence;
}

describe("createFairQueue", () => {
  test("serves one tenant in order of arrival, higher priorities first", () => {
    const queue = create();
    const [a, b, c, d] = [
      waiting("x"),
      waiting("x"),
      waiting("x", 1, 1),
      waiting("x", 1, -1),
    ] as const;
    for (const one of [d, a, b, c]) queue.add(one);
    expect([1, 1, 1, 1].map((rows) => serve(queue, rows))).toEqual([c, a, b, d]);
    expect(queue.waiting).toBe(0);
    expect(queue.head()).toBeUndefined();
  });

  test("gives tenants with different appetites the same service", () => {
    const queue = create();
    for (let i = 0; i < 200; i++) queue.add(waiting("greedy"));
    for (let i = 0; i < 200; i++) queue.add(waiting("modest"));
    const rows = { greedy: 0, modest: 0 };
    for (let i = 0; i < 200; i++) {
      const tenant = queue.head()!.tenant as keyof typeof rows;
      rows[tenant] += tenant === "greedy" ? 10 : 2;
      serve(queue, tenant === "greedy" ? 10 : 2);
    }
    expect(Math.abs(rows.greedy - rows.modest)).toBeLessThanOrEqual(10);
  });

  test("a step of priority doubles a tenant's share", () => {
    const queue = create();
    for (let i = 0; i < 200; i++) {
      queue.add(waiting("high", 1, 1));
      queue.add(waiting("low"));
    }
    const served = Array.from({ length: 150 }, () => serve(queue, 4).tenant);
    expect(served.filter((tenant) => tenant === "high").length).toBeCloseTo(100, -1);
  });

  test("who was away neither has credit nor owes for having been alone", () => {
    const queue = create();
    for (let i = 0; i < 10; i++) queue.add(waiting("old"));
    for (let i = 0; i < 5; i++) serve(queue, 100);
    for (let i = 0; i < 10; i++) queue.add(waiting("new"));
    const order = Array.from({ length: 10 }, () => serve(queue, 100).tenant);
    expect(order.filter((tenant) => tenant === "new").length).toBe(5);
  });

  test("who gave way goes first in its lane and finds room in a full queue", () => {
    const queue = create(3);
    const [first, second, third] = [waiting(""), waiting(""), waiting("", 1, 4)] as const;
    queue.add(first);
    queue.add(second);
    expect(queue.take()).toBe(first);
    first.state = "running";
    queue.add(third);
    expect(() => queue.add(waiting("y"))).toThrow(/3 are in progress/);
    first.state = "waiting";
    queue.putBack(first);
    expect(queue.waiting).toBe(3);
    expect(queue.head()).toBe(first);
  });

  test("keeps room for other tenants, and all of it for one where tenants have no names", () => {
    const queue = create(8);
    for (let i = 0; i < 4; i++) queue.add(waiting("noisy"));
    expect(() => queue.add(waiting("noisy"))).toThrow(/of this key wait/);
    queue.add(waiting("quiet"));
    queue.add(waiting("other"));
    const anyone = create(8);
    for (let i = 0; i < 8; i++) anyone.add(waiting(""));
    expect(() => anyone.add(waiting(""))).toThrow(/8 are in progress/);
  });

  test("bounds the tokens that wait, but for a single request", () => {
    const queue = create(Infinity, 10);
    queue.add(waiting("", 50));
    expect(() => queue.add(waiting("", 1))).toThrow(/50 tokens wait/);
    queue.remove(queue.head()!);
    queue.add(waiting("", 9));
    queue.add(waiting("", 1));
    expect(() => queue.add(waiting("", 1))).toThrow(
      expect.objectContaining({ code: "QUEUE_FULL" }),
    );
  });

  test("keeps room for other tenants' tokens as well", () => {
    const queue = create(100, 100);
    for (let i = 0; i < 2; i++) queue.add(waiting("long", 25));
    expect(() => queue.add(waiting("long", 25))).toThrow(OwnPartFull);
    expect(() => queue.add(waiting("long", 25))).toThrow(/50 tokens of this key wait already/);
    queue.add(waiting("short", 10));
    serve(queue, 25);
    queue.add(waiting("long", 25));
    // One tenant without a name may have all.
    const open = create(100, 100);
    for (let i = 0; i < 4; i++) open.add(waiting("", 25));
    expect(() => open.add(waiting("", 25))).toThrow(/at most 100 may/);
  });

  test("says whether several tenants took part of late", () => {
    const queue = create();
    queue.add(waiting("a"));
    expect(queue.shared).toBe(false);
    queue.add(waiting("b"));
    expect(queue.shared).toBe(true);
    for (let i = 0; i < 2; i++) serve(queue, 1);
    queue.add(waiting("a"));
    serve(queue, 90_000);
    expect(queue.shared).toBe(true);
    queue.add(waiting("a"));
    serve(queue, 10_000);
    expect(queue.shared).toBe(false);
  });

  test("whatever the order of events, counts stay true and everyone is served", () => {
    const event = fc.record({
      kind: fc.constantFrom("add", "add", "take", "back", "end", "drop"),
      tenant: fc.constantFrom("", "a", "b", "c"),
      priority: fc.integer({ min: -4, max: 4 }),
      length: fc.integer({ min: 1, max: 9 }),
      which: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        const queue = create(12, 40);
        const queued: Sequence[] = [];
        const running: Sequence[] = [];
        for (const { kind, tenant, priority, length, which } of events) {
          if (kind === "add") {
            const one = waiting(tenant, length, priority);
            try {
              queue.add(one);
              queued.push(one);
            } catch (error) {
              expect(error).toMatchObject({ code: "QUEUE_FULL" });
            }
          } else if (kind === "take" && queued.length > 0) {
            const one = queue.take();
            queued.splice(queued.indexOf(one), 1);
            one.state = "running";
            running.push(one);
            queue.charge(one, which);
          } else if (kind === "drop" && queued.length > 0) {
            queue.remove(queued.splice(which % queued.length, 1)[0]!);
          } else if (running.length > 0) {
            const [one] = running.splice(which % running.length, 1);
            if (kind === "end") {
              queue.remove(one!);
            } else if (kind === "back") {
              one!.state = "waiting";
              queue.putBack(one!);
              queued.push(one!);
            } else {
              running.push(one!);
            }
          }
          expect(queue.waiting).toBe(queued.length);
          for (const name of ["", "a", "b", "c"]) {
            expect(queue.running(name)).toBe(running.filter((r) => r.tenant === name).length);
          }
          if (queued.length > 0) expect(queued).toContain(queue.head());
        }
        for (let left = queued.length; left > 0; left--) serve(queue, 1);
        expect(queue.head()).toBeUndefined();
      }),
    );
  });
});
