import type { Traits } from "./spec.ts";

/** Features that kernels have variants for, and the clock of profiles. */
const OPTIONAL_FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const;

/** A WGSL language feature, which needs no request. */
const DOT4 = "packed_4x8_integer_dot_product";

/** Features that a caller may forbid, so that every variant can be tested everywhere. */
export type Feature = (typeof OPTIONAL_FEATURES)[number] | typeof DOT4;

/** All of them. */
export const FEATURES: readonly Feature[] = [...OPTIONAL_FEATURES, DOT4];

/** Limits of which as much is asked for as there is: the others are enough as every device has them. */
const RAISED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
] as const;

/** How to open a device. */
export interface DeviceOptions {
  /** Features not to use though they are there. */
  readonly without?: readonly Feature[];
  readonly powerPreference?: GPUPowerPreference;
}

/** A device, and what can be done with it. */
export interface OpenDevice {
  readonly device: GPUDevice;
  /** Kept for as long as the device: Dawn's Node binding frees its instance with this object. */
  readonly gpu: GPU;
  readonly traits: Traits;
  /** For people: vendor, architecture and description as far as the adapter tells. */
  readonly description: string;
  /** Whether the adapter says that it computes on the CPU. */
  readonly software: boolean;
  /** Whether timestamps can be taken. */
  readonly timestamps: boolean;
}

/**
 * Open a device of the `GPU` that an adapter brings (`navigator.gpu`, or that of a native library), with
 * limits and features asked for by name. Returns `undefined` where there is no adapter; rejects with
 * what `requestDevice` rejects with.
 */
export async function openDevice(
  gpu: GPU,
  options: DeviceOptions = {},
): Promise<OpenDevice | undefined> {
  const { without = [], powerPreference = "high-performance" } = options;
  const adapter = await gpu.requestAdapter({ powerPreference });
  // A null adapter is how a runtime says that it has none.
  if (adapter === null) return undefined;
  const allowed = (feature: string): boolean => !(without as readonly string[]).includes(feature);
  const features = OPTIONAL_FEATURES.filter(
    (feature) => adapter.features.has(feature) && allowed(feature),
  );
  const requiredLimits: Record<string, number> = {};
  for (const limit of RAISED_LIMITS) requiredLimits[limit] = adapter.limits[limit];
  const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits });
  const has = (feature: GPUFeatureName): boolean => device.features.has(feature);
  const info = adapter.info as GPUAdapterInfo | undefined;
  // Runtimes without `wgslLanguageFeatures` have none of them.
  const language = gpu.wgslLanguageFeatures as WGSLLanguageFeatures | undefined;
  const subgroups = has("subgroups");
  return {
    device,
    gpu,
    traits: {
      f16: has("shader-f16"),
      subgroups,
      subgroupSizes: subgroups
        ? [info?.subgroupMinSize ?? 4, info?.subgroupMaxSize ?? 128]
        : [0, 0],
      dot4: language?.has(DOT4) === true && allowed(DOT4),
      invocations: device.limits.maxComputeInvocationsPerWorkgroup,
      workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
      workgroups: device.limits.maxComputeWorkgroupsPerDimension,
    },
    description: [info?.vendor, info?.architecture, info?.description]
      .filter((part) => part !== undefined && part !== "")
      .join(" "),
    software: isSoftware(info),
    timestamps: has("timestamp-query"),
  };
}

/** Software adapters do not all set `isFallbackAdapter`; their names tell. */
function isSoftware(info: GPUAdapterInfo | undefined): boolean {
  if (info === undefined) return false;
  const name = `${info.architecture} ${info.device} ${info.description}`.toLowerCase();
  return info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|warp|software/.test(name);
}
