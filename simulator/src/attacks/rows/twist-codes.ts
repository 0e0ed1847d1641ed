/**
 * What each value that has no business in its place is refused with, in order: one letter each. They were written down
 * from the SDK and read against FORMAT; when a format changes, the row says which letters there are now.
 */
const LETTERS: Readonly<Record<string, string>> = {
  M: 'MALFORMED',
  L: 'TOO_LARGE',
  U: 'UNSUPPORTED',
  T: 'WRONG_TYPE',
  S: 'BAD_SIGNATURE',
  K: 'UNKNOWN_KEY',
  R: 'NO_RECEIPT',
  H: 'BAD_HEAD',
  C: 'BAD_CHAIN',
  N: 'NOT_CURRENT',
  O: 'OLD_ROOT',
  V: 'SPLIT_VIEW',
  B: 'ROLLBACK',
  E: 'WRONG_VENDOR',
  W: 'WRONG_CLASS',
  P: 'NOT_OPEN',
  I: 'NOT_IN_COHORT',
  A: 'BAD_ROOT',
  D: 'STALE',
  // Nothing is said, and nothing changes: an answer that nobody waits for, a command for another device.
  '-': '',
};

/** A number behind a letter says how often it stands there. */
export const TWIST_CODES: Readonly<Record<string, string>> = {
  announcement: 'M3U4M19NM3RM3RM15',
  envelope: 'M20',
  wrapper: 'M20',
  'block 1': 'M12SSM29',
  'block 2': 'M12SSM20SM24',
  manifest: 'MMU6MNM95U4M111LM25U4M212',
  receipt: 'M12RRM9T4MU4M11RM8RM3AM15LM5R4MRMMRMMLM15RM19',
  rollout: 'M12SSM9T4M5SSMSMS67M16NM21IM7U4M6IM20',
  answers: 'M8UM20UM6--M-M11UMM-M8-M11UMM-M3--M-M-M11UMM-M3--M-M-M11UMM--M-M11UM15-M3-MM-M8-M5',
  commands: 'M9-M17-M9',
};

/** What is said otherwise than in the table, in words; undefined where all is as it must be. */
export function differs(place: string, said: readonly (string | undefined)[]): string | undefined {
  const letters = said.map((code) => Object.keys(LETTERS).find((key) => LETTERS[key] === (code ?? '')) ?? `(${code})`);
  const found = letters.join('').replace(/(.)\1{2,}/g, (run) => `${run[0]}${run.length}`);
  const expected = TWIST_CODES[place] ?? '';
  return found === expected ? undefined : `${place} is refused with '${found}', expected '${expected}'`;
}
