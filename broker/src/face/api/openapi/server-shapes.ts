/** What servers tell of themselves. */
import { FLAG, hexText, list, nullable, object, oneOf, record, ref, type Schema, text, whole } from './schema.ts';

export const SERVER_SHAPES: Record<string, Schema> = {
  Endpoints: object(
    {
      servers: list(text()),
      origin: text(),
      ledger: nullable(text()),
      collection: nullable(text()),
      distribution: nullable(text()),
      mqtt: nullable(text()),
      devices: nullable(text()),
      brokerId: nullable(text()),
      orderer: text(),
    },
    ['orderer'],
  ),
  Distribution: object({
    size: nullable(whole('entries of the newest head it knows')),
    rootVersion: whole(),
    followed: whole(),
    releases: whole(),
    announced: list(
      object({
        classId: hexText(16),
        version: text(),
        sequence: whole(),
        rolloutId: hexText(16),
        rolloutState: whole(),
        size: whole(),
      }),
    ),
    connected: FLAG,
    delivery: object({ received: whole(), dropped: whole(), failed: whole(), sent: whole(), connects: whole() }),
    intake: object({
      logged: whole(),
      acknowledged: whole(),
      repeated: whole(),
      dropped: whole(),
      refused: record(whole()),
    }),
    requests: object({
      answered: whole(),
      refused: whole(),
      dropped: whole(),
      reasons: record(whole()),
      frames: whole(),
      frameBytes: whole(),
    }),
    queues: list(object({ name: text(), length: whole(), limit: whole(), dropped: whole() })),
  }),
  Peer: object({
    state: oneOf('following', 'FORK', 'stopped'),
    holdsBack: nullable(text()),
    blocks: whole(),
    entries: whole(),
    cosigned: nullable(whole()),
    kid: hexText(),
    quorum: ref('Quorum'),
    sources: list(object({ url: text(), reachable: FLAG, problem: nullable(text()) })),
    evidence: whole(),
  }),
  BlockFiles: object({ head: hexText(), files: list(object({ name: text(), bytes: whole() })), cosigned: hexText() }, [
    'cosigned',
  ]),
};
