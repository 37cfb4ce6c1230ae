import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { systemFingerprint } from "../../../core/receipt/fingerprint.ts";
import { NUMERICS_VERSION } from "../../../core/engine/numerics.ts";
import { createScriptedEngine } from "../../fixtures/scripted-engine.ts";

const { info } = createScriptedEngine();
const DIGEST = "0123456789abcdef".repeat(4);

test("a fingerprint is twelve digits of SHA-256 over digest, numerics, backend and cache", () => {
  const text = `${DIGEST}\n${NUMERICS_VERSION}\nwasm\nf32`;
  const expected = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const own = { ...info, backend: "wasm-relaxed" };
  expect(systemFingerprint(DIGEST, own)).toBe(`fp_${expected}`);
  expect(systemFingerprint(`sha256:${DIGEST}`, own)).toBe(`fp_${expected}`);
});

test("a fingerprint is the same for builds and threads, and another for what changes answers", () => {
  const wasm = systemFingerprint(DIGEST, { ...info, backend: "wasm-simd128" });
  const same = { ...info, backend: "wasm-relaxed16", threads: 8, contextLength: 16 };
  expect(systemFingerprint(DIGEST, same)).toBe(wasm);
  const others = [
    systemFingerprint("f".repeat(64), { ...info, backend: "wasm-simd128" }),
    systemFingerprint(DIGEST, { ...info, backend: "reference" }),
    systemFingerprint(DIGEST, { ...info, backend: "wasm-simd128", kvType: "q8_0" }),
  ];
  expect(new Set([wasm, ...others]).size).toBe(4);
});
