import { describe, expect, test } from "vitest";
import { runCli } from "../fixtures/cli.ts";
import { gpuEnvironment, LAVAPIPE_DRIVER } from "./drivers.ts";

/** A process, its driver's compiler, and two cores that may be shared. */
const TIMEOUT_MS = 120_000;

interface Finding {
  readonly check: string;
  readonly fine: boolean;
  readonly detail: string;
  readonly backend?: string;
  readonly reason?: string;
}

async function doctor(
  ...[args, env]: [readonly string[], Readonly<Record<string, string>>]
): Promise<{ readonly findings: ReadonlyMap<string, Finding>; readonly stderr: string }> {
  const driver = gpuEnvironment(LAVAPIPE_DRIVER) as Record<string, string>;
  const ended = await runCli(["doctor", "--json", ...args], { env: { ...driver, ...env } });
  const findings = JSON.parse(ended.stdout) as readonly Finding[];
  return {
    findings: new Map(findings.map((finding) => [finding.check, finding])),
    stderr: ended.stderr,
  };
}

describe.skipIf(LAVAPIPE_DRIVER.missing)("which backend computes beside lavapipe", () => {
  test("a GPU that is a CPU is not looked for, and nothing complains", async () => {
    const { findings, stderr } = await doctor([], {});
    // A machine with a GPU of its own may choose that; its driver is not the one that was named.
    expect(findings.get("backend")).toMatchObject({
      backend: expect.stringMatching(/^wasm-/) as string,
      reason: expect.stringMatching(/^(no_gpu|software)$/) as string,
    });
    expect(stderr).toBe("");
  });

  test("it is measured where that is asked for", { timeout: TIMEOUT_MS }, async () => {
    const { findings } = await doctor([], { SIROCCO_GPU_SOFTWARE: "measure" });
    const { backend, reason, detail } = findings.get("backend")!;
    // Which of the two is faster is the machine's affair; that they were measured is ours.
    expect([backend, reason]).toSatisfy(
      ([name, why]: string[]) =>
        (name === "webgpu" && why === "faster") || (name!.startsWith("wasm-") && why === "slower"),
    );
    expect(detail).toMatch(/256 \+ 128 tokens take .* on .*llvmpipe.*, .* on WebAssembly$/);
    expect(findings.get("demo model")).toMatchObject({ fine: true });
  });

  test("a model that does not fit into --gpu-memory is refused with numbers", async () => {
    const env = gpuEnvironment(LAVAPIPE_DRIVER) as Record<string, string>;
    const args = ["run", "--backend", "webgpu", "--gpu-memory", "6M", "-p", "Once", "-n", "1"];
    const { code, stdout, stderr } = await runCli(args, { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /sirocco: Cannot load the model: it needs \d+ MiB: [\d.]+ MiB of weights, .*; the webgpu backend may take 6\.0 MiB\. /,
    );
  });

  test("it computes where it is asked for by name", { timeout: TIMEOUT_MS }, async () => {
    const { findings } = await doctor(["--backend", "webgpu"], {});
    expect(findings.get("backend")).toMatchObject({ backend: "webgpu", reason: "asked" });
    expect(findings.get("demo model")).toMatchObject({ fine: true });
  });
});

test(
  "a driver that is not there is a reason, and not a complaint",
  { timeout: TIMEOUT_MS },
  async () => {
    const env = { SIROCCO_GPU_SOFTWARE: "measure", VK_ICD_FILENAMES: "/nonexistent/icd.json" };
    const { stdout, stderr, code } = await runCli(["doctor", "--json"], { env });
    const findings = JSON.parse(stdout) as readonly Finding[];
    expect(findings.find(({ check }) => check === "backend")).toMatchObject({
      fine: true,
      backend: expect.stringMatching(/^wasm-/) as string,
      reason: expect.stringMatching(/^(no_adapter|no_package)$/) as string,
    });
    expect(stderr).toBe("");
    expect(code).toBe(0);
  },
);
