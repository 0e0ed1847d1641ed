/**
 * What a signing command said when it failed. It may name paths, accounts and tokens of whoever runs the command, so it
 * travels as the cause of a refusal and never in its sentence, which clients of a server are shown.
 */
export class CommandWords extends Error {}

/** Causes of causes: more than a handful is a ring. */
const CAUSES_MAX = 8;

/** @returns what a command said on stderr, for a log or a terminal of whoever runs it; undefined where none failed */
export function commandWords(error: unknown): string | undefined {
  let at = error;
  for (let depth = 0; depth < CAUSES_MAX && at instanceof Error; depth++) {
    if (at instanceof CommandWords) return at.message;
    at = at.cause;
  }
  return undefined;
}

/** One line for a log: the sentence, and what a command said, if one did. Not for answers to clients. */
export function logText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const words = commandWords(error);
  return words === undefined ? text : `${text} (it said: ${words})`;
}
