import type { ChoiceEvent } from "../answer/several.ts";
import { RuntimeError } from "../errors.ts";

/** What has been sent of an answer, so that another can go on with it. */
export interface Transcript {
  /** Events so far. */
  readonly size: number;
  /** Begin anew: what comes now was sent before, until it goes beyond that. */
  rewind(): void;
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
  return {
    get size() {
      return size;
    },
    rewind() {
      at = [];
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
