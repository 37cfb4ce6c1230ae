import { USAGE } from "./memory.ts";
import type { Work } from "./spec.ts";

/** Timestamps of a query set: the most that WebGPU lets one have. */
const SET_SIZE = 4096;

/** Bytes of a timestamp. */
const TICK_BYTES = 8;

/** What all dispatches of one kernel with the same sizes did. */
export interface KernelProfile extends Work {
  readonly kernel: string;
  readonly dispatches: number;
  /** By the device's clock, all of them together; `null` where the device takes no timestamps. */
  readonly ns: number | null;
}

/** What a backend did since its last profile was taken. */
export interface Profile {
  /** Calls of `Backend.run`. */
  readonly steps: number;
  /** In the order in which a step first came to them. */
  readonly kernels: readonly KernelProfile[];
  /** Nanoseconds between two timestamps that the device can tell apart; `null` where it takes none. */
  readonly clockNs: number | null;
}

interface NamedWork extends Work {
  /** Of its kernel. */
  readonly name: string;
}

type Tally = { -readonly [Field in keyof KernelProfile]: KernelProfile[Field] };

/**
 * Takes the time of every dispatch, each in a pass of its own between two timestamps. So a profiled step is
 * slower than others by what passes cost; its answers are the same. Where a runtime hands out ticks of the
 * device's clock instead of nanoseconds (wgpu, so Deno), only the shares of a step mean something.
 */
export class Profiler {
  readonly #device: GPUDevice;
  readonly #timestamps: boolean;
  readonly #sets: GPUQuerySet[] = [];
  #tallies = new Map<string, Tally>();
  /** Of the commands that are not submitted yet: whose time each pair of timestamps is. */
  #timing: Tally[] = [];
  #arriving: Promise<void>[] = [];
  #steps = 0;
  /** All timestamps by or: zeros at its end are zeros of them all. */
  #ticks = 0n;

  constructor(device: GPUDevice, timestamps: boolean) {
    this.#device = device;
    this.#timestamps = timestamps;
  }

  /** A step of these dispatches was encoded, whose attentions read so many bytes of the cache each. */
  step(dispatches: readonly NamedWork[], cacheReads: readonly number[]): void {
    this.#steps++;
    const attentions = dispatches.filter(({ name }) => name === "attention");
    for (const [i, attention] of attentions.entries()) {
      this.#tallyOf(attention).cacheBytes += cacheReads[i] ?? 0;
    }
  }

  /** The pass for one dispatch. */
  timed(work: NamedWork): GPUComputePassDescriptor {
    const tally = this.#tallyOf(work);
    tally.dispatches++;
    tally.weightBytes += work.weightBytes;
    tally.leastWeightBytes += work.leastWeightBytes;
    tally.activationBytes += work.activationBytes;
    tally.cacheBytes += work.cacheBytes;
    if (!this.#timestamps) return { label: work.name };
    const at = (2 * this.#timing.length) % SET_SIZE;
    const set = Math.floor((2 * this.#timing.length) / SET_SIZE);
    this.#sets[set] ??= this.#device.createQuerySet({ type: "timestamp", count: SET_SIZE });
    this.#timing.push(tally);
    return {
      label: work.name,
      timestampWrites: {
        querySet: this.#sets[set],
        beginningOfPassWriteIndex: at,
        endOfPassWriteIndex: at + 1,
      },
    };
  }

  /** Record the copy of all timestamps; what is returned is to be called once the commands are submitted. */
  collect(encoder: GPUCommandEncoder): () => void {
    const timing = this.#timing;
    if (timing.length === 0) return () => {};
    this.#timing = [];
    const size = 2 * TICK_BYTES * timing.length;
    const resolved = this.#device.createBuffer({
      size,
      usage: USAGE.queryResolve | USAGE.copySource,
    });
    const readable = this.#device.createBuffer({ size, usage: USAGE.mapRead | USAGE.copyTarget });
    for (let first = 0; first < 2 * timing.length; first += SET_SIZE) {
      const count = Math.min(SET_SIZE, 2 * timing.length - first);
      const set = this.#sets[first / SET_SIZE]!;
      encoder.resolveQuerySet(set, 0, count, resolved, TICK_BYTES * first);
    }
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, size);
    return () => {
      const arrival = this.#read(readable, timing).finally(() => {
        resolved.destroy();
        readable.destroy();
      });
      this.#arriving.push(arrival);
      // Whoever takes the profile learns of a failure.
      arrival.catch(() => {});
    };
  }

  /** What was done since the last time, once all of it is submitted. Rejects when the device is lost. */
  async take(): Promise<Profile> {
    await Promise.all(this.#arriving);
    const profile: Profile = {
      steps: this.#steps,
      kernels: [...this.#tallies.values()],
      clockNs: this.#timestamps ? Number(this.#ticks & -this.#ticks) : null,
    };
    this.#arriving = [];
    this.#tallies = new Map();
    this.#steps = 0;
    return profile;
  }

  #tallyOf({ name, shape }: NamedWork): Tally {
    const key = `${name} ${shape}`;
    let tally = this.#tallies.get(key);
    if (tally === undefined) {
      tally = {
        kernel: name,
        shape,
        dispatches: 0,
        weightBytes: 0,
        leastWeightBytes: 0,
        activationBytes: 0,
        cacheBytes: 0,
        ns: this.#timestamps ? 0 : null,
      };
      this.#tallies.set(key, tally);
    }
    return tally;
  }

  async #read(buffer: GPUBuffer, timing: readonly Tally[]): Promise<void> {
    await buffer.mapAsync(1);
    const ticks = new BigUint64Array(buffer.getMappedRange());
    for (const [i, tally] of timing.entries()) {
      const [begin, end] = [ticks[2 * i]!, ticks[2 * i + 1]!];
      this.#ticks |= begin | end;
      // A clock may be set back between two passes; WebGPU promises no order.
      if (end > begin) tally.ns = tally.ns! + Number(end - begin);
    }
  }
}
