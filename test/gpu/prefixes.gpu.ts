import { describePrefixes } from "../conformance/kv-prefix.ts";
import { createGpu, VARIANT } from "./backend.ts";

describePrefixes(VARIANT, () => createGpu());
