/** How long, and how often, before a way to the server is left for another one. */
export interface FallbackLimits {
  /** Troubles in a row before the next way, by their class. A login that is refused will be refused again. */
  lostMax: number;
  refusedMax: number;
  /** Connections that ended before `stableMs`. */
  flapsMax: number;
  stableMs: number;
  /** Neither a connection nor a trouble. */
  lateMs: number;
  /** Connected, asked, and nothing was heard: a broker without its server. Longer than the SDK waits for an answer. */
  silentMs: number;
  /** Before the first way again once all have failed; doubles, so that a fleet does not circle. */
  roundMs: number;
  roundMsMax: number;
  /** Until a better way is tried; doubles each time that it does not work. */
  returnMs: number;
  returnMsMax: number;
  /** Without junk for this long the waits begin anew. Longer than any way back, or a liar would begin anew each time. */
  trustMs: number;
  /** Nothing was asked for this long: a switch would end a fetch. */
  quietMs: number;
}

export const FALLBACK_LIMITS: Readonly<FallbackLimits> = {
  lostMax: 3,
  refusedMax: 1,
  flapsMax: 3,
  stableMs: 5_000,
  lateMs: 30_000,
  silentMs: 30_000,
  roundMs: 2_000,
  roundMsMax: 300_000,
  returnMs: 300_000,
  returnMsMax: 3_600_000,
  trustMs: 7_200_000,
  quietMs: 10_000,
};
