/** Dawn does not count devices as users of their instance: a process dies once it is collected. */
let opened: GPU | undefined;

/**
 * The runtime's `GPU`: Deno has its own, Node and Bun take Dawn from npm. The name of the package is hidden from
 * the compiler: its types would bring @webgpu/types, which contradict TypeScript's own.
 */
export async function openGpu(): Promise<GPU> {
  const own = (globalThis.navigator as { readonly gpu?: GPU } | undefined)?.gpu;
  if (own !== undefined) return own;
  if (opened !== undefined) return opened;
  const name: string = "webgpu";
  const dawn = (await import(name)) as {
    create: (options: readonly string[]) => GPU;
    globals: object;
  };
  Object.assign(globalThis, dawn.globals);
  // Dawn rounds timestamps to 2^16 ns unless told otherwise.
  opened = dawn.create(["disable-dawn-features=timestamp_quantization"]);
  return opened;
}

/** Flags of buffers (WebGPU, GPUBufferUsage), which TypeScript's library does not declare. */
export const USAGE = {
  mapRead: 0x0001,
  copySource: 0x0004,
  copyTarget: 0x0008,
  uniform: 0x0040,
  storage: 0x0080,
  queryResolve: 0x0200,
} as const;

/** GPUMapMode.READ */
export const MAP_READ = 1;

/** The adapter of the driver that this process was started with. */
export async function openAdapter(gpu: GPU): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error("Cannot find a GPU adapter: no Vulkan driver was loaded.");
  return adapter;
}
