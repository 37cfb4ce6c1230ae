/** Published adapters have ranks of 4 to 256: beyond that little is left of being small. */
export const MAX_LORA_RANK = 512;

/**
 * Adapters of one engine. A step may take all of them, and on a GPU each is two dispatches for every product: with 40
 * layers some 9000 of the 16384 that a step may have, and half of its tables.
 */
export const MAX_LORAS = 16;

/** How much of an adapter may be asked for: trained ones are used at about 1. */
export const MAX_LORA_SCALE = 100;

/** What an adapter may be called: it becomes part of a model's name in requests, logs and metrics. */
export const LORA_NAME: RegExp = /^[\w][\w.-]{0,63}$/;
