/**
 * Puts lavapipe, Mesa's Vulkan driver for the CPU, into `.cache/lavapipe` beside whatever the system has:
 * the driver that WebGPU is tested on where there is no GPU. Debian with apt only; nothing is installed into the system.
 *
 * The sources are those that apt is configured with. Bookworm's own Mesa 22 is refused by Dawn, so there it
 * comes from bookworm-backports of the same archive. Plain JavaScript for Node 20, no dependency.
 *
 *     node scripts/lavapipe.mjs
 *
 * The last line on stdout is the environment that `test/gpu/drivers.ts` gives to a process, as JSON.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** The loader and the driver; apt adds the libraries that the system lacks. */
const PACKAGES = ["libvulkan1", "mesa-vulkan-drivers"];
/** Releases whose own Mesa is too old for Dawn. */
const OLD_RELEASES = new Set(["bookworm"]);
const DRIVER = "libvulkan_lvp.so";
/** What the loader asks the driver for at least; the driver says itself what it can do. */
const API_VERSION = "1.3.0";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const target = path.join(root, ".cache", "lavapipe");

/** Runs a program to its end and returns what it wrote to stdout; throws with its complaint. */
function run(command, args, cwd = root) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) {
    throw new Error(
      `Cannot run ${command} ${args.join(" ")}: ${error?.message ?? `it ended with ${status}`}.\n${stderr ?? ""}`,
    );
  }
  return stdout;
}

/** apt's own sources as one-line entries, and backports of the same archive where a release is old. */
function sources() {
  const format = "$(REPO_URI) $(CODENAME) $(COMPONENT)";
  const lines = run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"])
    .split("\n")
    .filter((line) => line !== "");
  const signed = existsSync(KEYRING) ? ` [signed-by=${KEYRING}]` : "";
  const entries = [];
  for (const line of new Set(lines)) {
    const [archive, release, component] = line.split(" ");
    entries.push(`deb${signed} ${archive} ${release} ${component}`);
    if (OLD_RELEASES.has(release) && component === "main")
      entries.push(`deb${signed} ${archive} ${release}-backports main`);
  }
  if (entries.length === 0)
    throw new Error("Cannot find lavapipe: apt knows no source of packages.");
  return entries;
}

/** The names to install: of an old release, the driver of its backports. */
function packages(entries) {
  const backports = entries.find((entry) => entry.includes("-backports "));
  if (backports === undefined) return PACKAGES;
  const release = backports.split(" ").at(-2);
  return PACKAGES.map((name) => (name.startsWith("mesa") ? `${name}/${release}` : name));
}

/** Lets apt download into `folder` what the driver needs, and unpacks it there. */
async function unpack(folder) {
  for (const name of ["lists/partial", "cache/archives/partial", "run"])
    await mkdir(path.join(folder, name), { recursive: true });
  const entries = sources();
  const list = path.join(folder, "sources.list");
  await writeFile(list, `${entries.join("\n")}\n`);
  const options = {
    "Dir::Etc::SourceList": list,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::Lists": path.join(folder, "lists"),
    "Dir::Cache": path.join(folder, "cache"),
    "APT::Sandbox::User": "root",
  };
  const apt = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  run("apt-get", [...apt, "-qq", "update"]);
  const install = ["-y", "-qq", "--no-install-recommends", "--download-only", "install"];
  run("apt-get", [...apt, ...install, ...packages(entries)]);
  const archives = path.join(folder, "cache", "archives");
  for (const name of await readdir(archives)) {
    if (name.endsWith(".deb")) run("dpkg", ["-x", path.join(archives, name), folder]);
  }
  await rm(path.join(folder, "lists"), { recursive: true });
  await rm(path.join(folder, "cache"), { recursive: true });
  await rm(list);
}

/** The folder of shared libraries below `folder`, relative to it; `undefined` where the driver is not there. */
async function libraries(folder) {
  const lib = path.join(folder, "usr", "lib");
  if (!existsSync(lib)) return undefined;
  const names = await readdir(lib);
  const name = names.find((each) => existsSync(path.join(lib, each, DRIVER)));
  return name === undefined ? undefined : path.join("usr", "lib", name);
}

async function main() {
  const icd = path.join(target, "icd.json");
  if (!existsSync(icd)) {
    await mkdir(path.dirname(target), { recursive: true });
    // Beside the target, so that the last step is a rename: nobody ever sees half a driver.
    const work = await mkdtemp(`${target}-`);
    try {
      await unpack(work);
      const found = await libraries(work);
      if (found === undefined)
        throw new Error(`Cannot find ${DRIVER} in what apt unpacked: Debian has moved it.`);
      const ICD = { api_version: API_VERSION, library_path: `./${path.join(found, DRIVER)}` };
      await writeFile(
        path.join(work, "icd.json"),
        `${JSON.stringify({ ICD, file_format_version: "1.0.0" })}\n`,
      );
      await rename(work, target).catch((error) => {
        if (!existsSync(icd)) throw error; // Somebody else was faster: theirs is the same.
      });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const environment = {
    VK_ICD_FILENAMES: icd,
    LD_LIBRARY_PATH: path.join(target, await libraries(target)),
    XDG_RUNTIME_DIR: path.join(target, "run"),
  };
  process.stdout.write(`${JSON.stringify(environment)}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
