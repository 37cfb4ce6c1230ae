import type { ChoiceEvent } from "../answer/several.ts";
import { RuntimeError } from "../errors.ts";

/** What has been sent of an answer, so that another can go on with it. */
export interface Transcript {
  /** Events so far. */
  readonly size: number;
  /**
   * The tokens that were generated so far, for another to go on behind; `undefined` where they are not all known.
   */
  readonly emitted: readonly number[] | undefined;
  /**
   * Begin anew: what comes now was sent before, until it goes beyond that.
   *
   * @param behind Of {@linkcode emitted} so many need not be told again; 0 unless given.
   */
  rewind(behind?: number): void;
  /** Tokens that were generated since the last ones; `undefined` where they are not told. */
  generated(ids: readonly number[] | undefined): void;
  /**
   * Whether this event is one that has not been sent; it then counts as sent. Throws `UPSTREAM_ERROR` where it
   * differs from the one that was sent in its place: half of one answer and half of another is none.
   */
  isNew(event: ChoiceEvent): boolean;
}

/** Nothing has been sent. */
export function createTranscript(): Transcript {
  const sent: string[][] = [];
  let at: number[] = [];
  let size = 0;
  let tokens: number[] = [];
  let allKnown = true;
  return {
    get emitted() {
      return allKnown && tokens.length > 0 ? tokens : undefined;
    },
    generated(ids) {
      if (ids === undefined) allKnown = false;
      else tokens.push(...ids);
    },
    get size() {
      return size;
    },
    rewind(behind = 0) {
      at = [];
      tokens = tokens.slice(0, behind);
      allKnown = true;
    },
    isNew({ choice, event }) {
      const before = (sent[choice] ??= []);
      const index = at[choice] ?? 0;
      at[choice] = index + 1;
      // How long it took differs each time.
      const said = event.type === "done" ? `done ${event.reason}` : JSON.stringify(event);
      if (index >= before.length) {
        before.push(said);
        size++;
        return true;
      }
      if (before[index] === said) return false;
      throw new RuntimeError(
        "UPSTREAM_ERROR",
        "Cannot go on with this answer: computed again it differs from what was sent",
      );
    },
  };
}
