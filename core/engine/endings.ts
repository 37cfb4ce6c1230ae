import { RuntimeError } from "../errors.ts";

/* Why the loop ends requests. */

export function notReady(): RuntimeError {
  return new RuntimeError("NOT_READY", "The engine has stopped and takes no requests");
}

export function waitedTooLong(): RuntimeError {
  return new RuntimeError("QUEUE_FULL", "The request waited too long for a slot: try again later");
}

export function late(): RuntimeError {
  return new RuntimeError(
    "DEADLINE_EXCEEDED",
    "The request's time was over before its answer was complete",
  );
}

export function aborted(): RuntimeError {
  return new RuntimeError("ABORTED", "The request was aborted");
}

export function loadingAgain(): RuntimeError {
  return new RuntimeError(
    "MODEL_LOADING",
    "The engine broke, and the model is still being loaded again: try again soon",
  );
}
