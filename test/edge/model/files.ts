import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const FOLDER = process.env["SIROCCO_MODELS"] ?? path.join(ROOT, ".cache", "models");

/** The real model, as it is fetched. */
export const SOURCE_MODEL: string = path.join(FOLDER, "SmolLM2-135M-Instruct.Q4_1.gguf");

/** The mix of it that fits an edge worker. */
export const EDGE_MODEL: string = path.join(FOLDER, "SmolLM2-135M-Instruct.edge.gguf");
