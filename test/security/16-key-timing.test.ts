import { describe, expect, test } from "vitest";
import { createAccess, MAX_KEYS } from "../../core/http/edge/access.ts";
import { createKey, hashKey, sameDigest, toDigest } from "../../core/http/edge/key-hash.ts";
import { bearer, configured, createKeyedApp, KEYS } from "../fixtures/keyed-app.ts";

describe("16 API keys: hashed at rest, compared in constant time", () => {
  test("the key arrives as a bearer token or in x-api-key; anything else is 401", async () => {
    const { get } = createKeyedApp([await configured("user")]);
    const status = async (headers: Record<string, string>) =>
      (await get("/v1/models", { headers })).status;
    expect(await status(bearer("user"))).toBe(200);
    expect(await status({ authorization: `bearer  ${KEYS["user"]}` })).toBe(200);
    expect(await status({ "x-api-key": KEYS["user"]! })).toBe(200);
    const hash = await hashKey(KEYS["user"]!);
    for (const wrong of ["", "Bearer", "Basic sk-user", "Bearer sk-use", `Bearer ${hash}`]) {
      const response = await get("/v1/models", { headers: { authorization: wrong } });
      expect(response.status, wrong).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect(await response.json()).toMatchObject({ error: { code: "invalid_api_key" } });
    }
    expect(await status({ authorization: `Bearer ${"x".repeat(100_000)}` })).toBe(401);
    expect((await get("/v1/models?api_key=sk-user")).status, "never in a URL").toBe(401);
  });

  test("neither the key nor its hash shows in logs or answers", async () => {
    const { get, post, logs } = createKeyedApp([await configured("user")]);
    const answers = [
      await get("/v1/models", { headers: bearer("user") }),
      await get("/v1/models", { headers: { authorization: "Bearer sk-userx" } }),
      await post("/v1/chat/completions", {}, { headers: bearer("user") }),
    ];
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    const seen = JSON.stringify([logs, texts, answers.map(({ headers }) => Array.from(headers))]);
    expect(seen).toContain('"key":"user"');
    for (const secret of [KEYS["user"]!, (await hashKey(KEYS["user"]!)).slice(7)])
      expect(seen).not.toContain(secret);
  });

  test("createKey has 256 random bits, and hashKey is SHA-256", async () => {
    const keys = new Set(Array.from({ length: 100 }, createKey));
    expect(keys.size).toBe(100);
    for (const key of keys) expect(key).toMatch(/^sk-sirocco-[\w-]{43}$/);
    expect(await hashKey("abc")).toBe(
      "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  test("sameDigest finds every single-bit difference", async () => {
    const digest = toDigest(await hashKey("a"));
    expect(sameDigest(digest, digest.slice())).toBe(true);
    for (let bit = 0; bit < 256; bit++) {
      const other = digest.slice();
      other[bit >> 3]! ^= 1 << (bit & 7);
      expect(sameDigest(digest, other)).toBe(false);
    }
  });

  test("the time of sameDigest does not tell where digests differ (Welch's t below 10)", async () => {
    const digest = toDigest(await hashKey("a"));
    const early = digest.slice();
    early[0]! ^= 1;
    const late = digest.slice();
    late[31]! ^= 1;
    const trial = () => {
      const times: [number[], number[]] = [[], []];
      for (let i = 0; i < 20_000; i++) {
        const kind = Math.random() < 0.5 ? 0 : 1;
        const other = kind === 0 ? early : late;
        const begin = performance.now();
        for (let k = 0; k < 20; k++) sameDigest(digest, other);
        times[kind].push(performance.now() - begin);
      }
      return Math.abs(welch(withoutTail(times[0]), withoutTail(times[1])));
    };
    // A busy machine can disturb one trial; what leaks shows in all.
    expect(Math.min(trial(), trial(), trial())).toBeLessThan(10);
  });

  test("more keys than are compared in a moment are refused", async () => {
    const key = await configured("user");
    expect(() => createAccess(Array(MAX_KEYS + 1).fill(key), () => 0)).toThrow(RangeError);
  });
});

/** The faster nine tenths: the slowest are interruptions. */
function withoutTail(times: readonly number[]): number[] {
  return times.toSorted((a, b) => a - b).slice(0, Math.floor(times.length * 0.9));
}

/** Of the difference between the means of two samples. */
function welch(one: readonly number[], other: readonly number[]): number {
  const a = describeSample(one);
  const b = describeSample(other);
  return (a.mean - b.mean) / Math.sqrt(a.error + b.error);
}

function describeSample(values: readonly number[]): { mean: number; error: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: squares / (values.length - 1) / values.length };
}
