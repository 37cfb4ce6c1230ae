// Makes a fresh checkout runnable: installs what package-lock.json names when that has not been done
// or has changed, and with --build compiles when dist/ is missing or older than its sources.
// npm runs it before `npm start` and `npm test`. Only Node and npm are needed, so: plain JavaScript,
// no imports but Node's own.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { delimiter, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OLDEST_NODE = [20, 19];
/** What `tsc -b` reads; a change in any of them makes dist/ stale. */
const SOURCES = [
  "core",
  "backends",
  "adapters",
  "kernels-simd",
  "scripts/postbuild.mjs",
  "package.json",
  "tsconfig.base.json",
  "tsconfig.json",
];
const NOT_SOURCES = new Set(["target", "node_modules"]);

checkNode();
if (installIsStale()) install();
if (process.argv.includes("--build") && buildIsStale()) build();

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [wantMajor, wantMinor] = OLDEST_NODE;
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return;
  fail(
    `Node ${process.versions.node} is too old: sirocco needs ${OLDEST_NODE.join(".")} or newer.`,
    "Install a current Node.js release and run the command again.",
  );
}

function installIsStale() {
  const installed = modified(join(ROOT, "node_modules", ".package-lock.json"));
  return installed === undefined || installed < (modified(join(ROOT, "package-lock.json")) ?? 0);
}

function install() {
  say("installing dependencies (about 20 s, only this once) ...");
  const flags = ["--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const clean = npm(["ci", ...flags]);
  if (clean.status === 0) return;
  // A lock file written on another platform or by another npm can lack entries: resolve them anew.
  say("`npm ci` did not succeed, trying `npm install` ...");
  const loose = npm(["install", ...flags]);
  if (loose.status === 0) return;
  fail(
    `Cannot install the dependencies:\n${tail(loose)}`,
    "Check that the npm registry can be reached (npm ping), then run the command again.",
  );
}

function buildIsStale() {
  const stamp = modified(join(ROOT, "dist", ".built"));
  if (stamp === undefined) return true;
  return SOURCES.some((name) => newest(join(ROOT, name)) > stamp);
}

function build() {
  say("compiling (a few seconds) ...");
  const result = npm(["run", "--silent", "build"]);
  if (result.status === 0) return;
  fail(`Cannot compile:\n${tail(result)}`, "Run `npm run build` to see the whole output.");
}

/** Run npm with the Node that started us first, not with the one that an install may replace. */
function npm(args) {
  const bin = join("node_modules", ".bin");
  const path = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((entry) => !entry.split(sep).join("/").includes(bin.split(sep).join("/")))
    .join(delimiter);
  const windows = process.platform === "win32";
  const result = spawnSync(windows ? "npm.cmd" : "npm", args, {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, PATH: path },
    shell: windows,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (result.error !== undefined) {
    fail(`Cannot run npm: ${result.error.message}.`, "Install npm and put it on PATH.");
  }
  return result;
}

/** Milliseconds since the epoch, `undefined` where the file is missing. */
function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

/** When the newest file under `path` was modified, 0 where there is none. */
function newest(path) {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return modified(path) ?? 0;
  let time = 0;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (NOT_SOURCES.has(entry.name)) continue;
    time = Math.max(time, newest(join(path, entry.name)));
  }
  return time;
}

/** The end of what a command printed: enough to see the cause. */
function tail(result) {
  return `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-20).join("\n");
}

function say(text) {
  process.stderr.write(`sirocco: ${text}\n`);
}

function fail(problem, advice) {
  say(`${problem}\n${advice}`);
  process.exit(1);
}
