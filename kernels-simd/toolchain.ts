// The compiler of the kernels and its flags, for build.ts and for whoever bundles them from source.
//
// With rustup: `rustup target add wasm32-unknown-unknown`. On Debian 12 without it:
// `apt-get install rustc-web cargo-web rust-web-src lld-19`, whose compiler builds `core` itself.
import { existsSync } from "node:fs";

/** The crates that building `core` needs; there where Debian's compiler is. */
export const DEBIAN_VENDOR = "/usr/lib/rustlib/src/rust/library/vendor";

/** Whether Debian's compiler is used. */
export const isDebian: boolean = existsSync(DEBIAN_VENDOR);

/** The cargo to run. */
export const CARGO: string = isDebian ? "/usr/bin/cargo" : "cargo";

/**
 * LLVM must leave the inner loops rolled: unrolled, it sinks each chain of dot products to its end and
 * spills; the engines unroll by themselves.
 */
const LLVM_FLAGS = ["-unroll-full-max-count=1", "-unroll-max-count=1", "-disable-lsr"];

/**
 * The shadow stack comes first, so that an overflow traps instead of writing over weights. Threads move
 * its pointer to a stack of their own; a shared memory has to name its maximum.
 */
const LINK_FLAGS = [
  "--stack-first",
  "-zstack-size=65536",
  "--export=__heap_base",
  "--export=__stack_pointer",
  "--max-memory=4294967296",
];

/** What cargo's environment needs for target features; `linkFlags` come on top of those of all. */
export function cargoEnvironment(
  features: string,
  linkFlags: readonly string[],
): Record<string, string> {
  const rustflags = [
    `-Ctarget-feature=${features}`,
    ...LLVM_FLAGS.map((flag) => `-Cllvm-args=${flag}`),
    ...[...linkFlags, ...LINK_FLAGS].map((flag) => `-Clink-arg=${flag}`),
    ...(isDebian ? ["-Clinker=wasm-ld-19"] : []),
  ];
  return {
    ...(isDebian ? { RUSTC: "/usr/bin/rustc", RUSTC_BOOTSTRAP: "1" } : {}),
    CARGO_ENCODED_RUSTFLAGS: rustflags.join("\u001f"),
  };
}
