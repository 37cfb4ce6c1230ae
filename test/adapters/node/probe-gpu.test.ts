import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { probeGpu } from "../../../adapters/node/probe-gpu.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sirocco-probe-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** Probe with a program in place of the real one, as a driver might make it behave. */
async function probeWith(program: string): ReturnType<typeof probeGpu> {
  const file = path.join(folder, `${Math.random()}.mjs`);
  await writeFile(file, program);
  return probeGpu(file);
}

describe("probeGpu", () => {
  test("takes what the other process prints last, whatever it complains of", async () => {
    const found = { description: "acme fast-1", software: false };
    const probe = await probeWith(`
      console.error("Warning: libacme is old");
      console.log("driver says hello");
      console.log(${JSON.stringify(JSON.stringify(found))});`);
    expect(probe).toEqual(found);
  });

  test("a driver that crashes is a reason, with what it said", async () => {
    const probe = await probeWith(`
      import { writeSync } from "node:fs";
      writeSync(2, "acme: assertion failed");
      process.kill(process.pid, "SIGSEGV");
      await new Promise(() => setTimeout(() => {}, 5000));`);
    expect(probe).toMatchObject({ reason: "failed" });
    expect(probe).toHaveProperty("detail", expect.stringContaining("acme: assertion failed"));
  });

  test("a process that says nothing is a reason", async () => {
    expect(await probeWith("")).toEqual({
      reason: "failed",
      detail: "looking for a GPU failed: it said nothing",
    });
  });

  test("a program that is not there is a reason", async () => {
    expect(await probeGpu(path.join(folder, "absent.mjs"))).toMatchObject({ reason: "failed" });
  });
});
