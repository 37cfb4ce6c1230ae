import type { AskedChat, AskedCompletion, Asked } from "../http/wire/asked.ts";
import type { Standing } from "./health.ts";

/** A node as a choice sees it. */
export interface Candidate {
  /** A name of its own. */
  readonly name: string;
  /** Requests that it has from us now. */
  readonly inFlight: number;
  /** What it may be given now. */
  readonly standing: Standing;
}

/** Characters of each part of a prompt that its key is made of: beyond them conversations differ anyway. */
const PREFIX_CHARS = 1024;

/** A node may have this many times its fair share of requests (consistent hashing with bounded loads, 2016). */
const LOAD_FACTOR = 1.25;

/** And so many more than the least busy one in any case: half of the slots that a node has unless told. */
const SLACK = 4;

/**
 * What the turns of one conversation have in common: its system prompt and its first other message; of plain
 * prompts the first. A node that has seen it holds its keys and values. Tenants share no cached prefix, and so
 * no key.
 */
export function affinityKey(asked: Asked, tenant: string): string {
  return [tenant, ...beginnings(asked)].join("\n");
}

function beginnings(asked: Asked | AskedChat | AskedCompletion): readonly string[] {
  if ("messages" in asked) {
    const first = asked.messages.findIndex(({ role }) => role !== "system");
    const shared = first === -1 ? asked.messages : asked.messages.slice(0, first + 1);
    return shared.map(({ role, content }) => `${role} ${content.slice(0, PREFIX_CHARS)}`);
  }
  if ("prompts" in asked) {
    const [prompt = ""] = asked.prompts;
    return [
      typeof prompt === "string"
        ? prompt.slice(0, PREFIX_CHARS)
        : prompt.slice(0, PREFIX_CHARS).join(" "),
    ];
  }
  return [];
}

/**
 * The node for a request: the one that its key prefers among those that are in, by rendezvous hashing, so that
 * a node's coming or going moves no other's keys; the least busy one where that has too much. `undefined` where
 * none may be given anything.
 */
export function chooseNode<N extends Candidate>(nodes: readonly N[], key: string): N | undefined {
  const proven = nodes.filter(
    ({ standing, inFlight }) => standing === "in" || (standing === "trial" && inFlight === 0),
  );
  // Where all are on trial, more than one request shows it no worse.
  const able = proven.length > 0 ? proven : nodes.filter(({ standing }) => standing === "trial");
  const ranked = able.toSorted((a, b) => weight(b.name, key) - weight(a.name, key));
  const [preferred] = ranked;
  if (preferred === undefined) return undefined;
  const total = able.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const least = able.reduce((fewest, { inFlight }) => Math.min(fewest, inFlight), Infinity);
  const bound = Math.max(Math.ceil((LOAD_FACTOR * (total + 1)) / able.length), least + SLACK);
  if (preferred.inFlight < bound) return preferred;
  return ranked.find(({ inFlight }) => inFlight === least);
}

function weight(name: string, key: string): number {
  return hash32(`${name}\n${key}`);
}

/** FNV-1a over UTF-16 units, then the finaliser of MurmurHash3, without which names that differ little rank alike. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
