import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { describeBackend } from "../conformance/backend.ts";
import { REFERENCE_PROMISES } from "../conformance/promises.ts";

describeBackend("reference", () => Promise.resolve(createReferenceBackend()), REFERENCE_PROMISES);
