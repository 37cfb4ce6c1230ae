// Runs the suite on the GPU of Node, Bun or Deno; bundled, since vitest's part of it stands for vitest.
import { openGpu } from "./adapter.ts";
import { report } from "./report.ts";
import { type GpuSuiteTask, runGpuSuite } from "./suite.ts";

report(await runGpuSuite(await openGpu(), JSON.parse(process.argv[2]!) as GpuSuiteTask));
