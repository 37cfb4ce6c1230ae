import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LoadReport } from "../../adapters/node/load-test/report.ts";
import { runCli, startServer, type ServerProcess } from "../fixtures/cli.ts";

describe("sirocco load", () => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(async () => {
    await server?.stop();
  });

  test("loses none of a second's requests to the demo model and prints one object with --json", async () => {
    const args = ["load", server.url, "-r", "10", "-d", "1", "-p", "8", "-n", "8", "--json"];
    const { code, stdout } = await runCli(args);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as LoadReport;
    expect(report.model).toBe("sirocco-demo.q8_0");
    expect(report.sent).toBeGreaterThan(2);
    expect(report.fates).toEqual({ ok: report.sent });
    expect(report.latency.firstToken.p50).toBeGreaterThan(0);
    expect(report.latency.whole.p50).toBeGreaterThanOrEqual(report.latency.firstToken.p50);
    expect(report.rates.promptTokens).toBeGreaterThan(0);
  });

  test("prints a table and histograms for people", async () => {
    const { stdout } = await runCli([
      "load",
      `${server.url}/v1/`,
      "-r",
      "20",
      "-d",
      "0.5",
      "-n",
      "4",
    ]);
    expect(stdout).toMatch(/^ms +count +mean +p50 +p90 +p95 +p99 +max$/m);
    for (const name of ["ttft", "tpot", "e2e"])
      expect(stdout).toMatch(new RegExp(`^${name} +\\d`, "m"));
    expect(stdout).toContain("█");
  });

  test("says in one line what is wrong", async () => {
    const nobody = await runCli(["load", "http://127.0.0.1:1"]);
    expect([nobody.code, nobody.stderr]).toEqual([
      1,
      expect.stringContaining("sirocco: Cannot reach http://127.0.0.1:1/v1"),
    ]);
    const wrong = await runCli(["load", server.url, "--rude", "loud=1"]);
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining("Cannot read 'loud=1'"),
    ]);
    const absent = await runCli(["load", server.url, "--trace", "absent.csv"]);
    expect([absent.code, absent.stderr]).toEqual([2, expect.stringContaining("absent.csv")]);
  });
});
