import { checkQuery } from "../../core/tensor/logits.ts";
import { reduceLogits } from "../../core/tensor/reduce-logits.ts";
import type { ArgsWriter } from "./args.ts";
import { RING_BYTES, STRUCT_BYTES } from "./args.ts";
import { align, tooLarge, type Arena } from "./arena.ts";
import type { KernelMachine } from "./backend.ts";
import { createSerialExecutor } from "./executor.ts";
import { interfaceName, KERNEL_NAMES, MAX_PAGES, PAGE, type Kernel } from "./kernels.ts";

/** The interface `memory` of the kernels' component, see `kernels-simd/wit/kernels.wit`. */
export interface RemoteMemory {
  heapBase(): number;
  size(): bigint;
  grow(pages: number): boolean;
  seek(offset: number): void;
  write(bytes: Uint8Array): void;
  read(offset: number, length: number): Uint8Array;
}

/**
 * Kernels behind their component interface, whose memory is nothing but offsets: everything is copied
 * in and out. For hosts that cannot see the memory; much slower than a local one where models are small.
 */
export function createRemoteMachine(
  name: string,
  memory: RemoteMemory,
  kernels: Readonly<Record<string, Kernel>>,
): KernelMachine {
  const table = KERNEL_NAMES.map((kernel): Kernel => {
    const found = kernels[interfaceName(kernel)];
    if (found !== undefined) return found;
    throw new TypeError(`Cannot use kernel component: it has no function "${kernel}"`);
  });
  const arena = createRemoteArena(memory);
  return {
    name,
    memories: [{ arena, args: createRemoteArgs(arena) }],
    executor: createSerialExecutor([table]),
    // A row of logits has to come here in any case.
    createReduce: () => (logits, queries) =>
      queries.map((query) => {
        checkQuery(query, logits.label, logits.rows);
        const offset = logits.offset + query.row * logits.width * 4;
        const row = arena.get(offset, logits.width);
        const summary = reduceLogits(row, query);
        if (query.changes !== undefined) arena.put(offset, row);
        return summary;
      }),
  };
}

function createRemoteArena(memory: RemoteMemory): Arena {
  let next = align(memory.heapBase());
  const putBytes = (offset: number, bytes: Uint8Array): void => {
    memory.seek(offset);
    memory.write(bytes);
  };
  return {
    get used() {
      return next;
    },
    take(label, bytes) {
      const offset = next;
      const end = align(offset + bytes);
      const missing = Math.ceil((end - Number(memory.size())) / PAGE);
      const fits = end <= MAX_PAGES * PAGE && (missing <= 0 || memory.grow(missing));
      if (!fits) throw tooLarge(label, bytes, offset);
      next = end;
      return offset;
    },
    put(offset, values) {
      putBytes(offset, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    },
    // A copy of the copy where it came unaligned.
    get: (offset, length) => new Float32Array(aligned(memory.read(offset, length * 4)).buffer),
    async fill(offset, bytes, read) {
      const into = new Uint8Array(bytes);
      await read(into);
      putBytes(offset, into);
    },
    clear: (offset, bytes) => putBytes(offset, new Uint8Array(bytes)),
    move: (to, from, bytes) => putBytes(to, memory.read(from, bytes)),
  };
}

/** The bytes with a buffer of their own. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

function createRemoteArgs(arena: Arena): ArgsWriter {
  const base = arena.take("arguments", RING_BYTES);
  let next = 0;
  const send = (words: Uint32Array): number => {
    const at = base + next;
    next = (next + STRUCT_BYTES) % RING_BYTES;
    arena.put(at, words);
    return at;
  };
  return {
    put: (...fields) => send(Uint32Array.from(fields)),
    putFloat(last, ...fields) {
      const words = Uint32Array.from([...fields, 0]);
      new Float32Array(words.buffer)[fields.length] = last;
      return send(words);
    },
  };
}
