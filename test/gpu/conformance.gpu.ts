import { defaultPreference } from "../../backends/webgpu/matmul.ts";
import { describeBackend } from "../conformance/backend.ts";
import { GPU_PROMISES } from "../conformance/promises.ts";
import { createGpu, VARIANT } from "./backend.ts";

// Where few rows and many have kernels of their own, the order of sums depends on how many there are.
const probe = await createGpu();
const { few, many } = defaultPreference(probe.opened.traits);
await probe.close();

describeBackend(VARIANT, () => createGpu(), { ...GPU_PROMISES, exactProducts: few === many });
