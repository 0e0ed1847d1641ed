import type { LedgerClient } from '../../ledger/client.ts';
import type { RolloutView, TotalsView } from '../../ledger/contract/views.ts';
import type { EmbeddedLedger } from '../../ledger/embedded/source.ts';
import type { CosignedHeads } from '../../ledger/peer/cosigned-heads.ts';
import type { PeerState } from '../../ledger/peer/peer.ts';
import type { QueueState } from '../../queue-state.ts';
import { by, counter, type Figure, type FigureSource, gauge, remembered } from './figures.ts';

/** Enough of a key id to tell the peers of one trust root apart. */
const KID_CHARS = 16;

/** Entries, blocks, heads and peers of a ledger or a copy that is kept in this process. */
export function ledgerFigures(ledger: EmbeddedLedger, heads: CosignedHeads): FigureSource {
  return {
    part: 'ledger',
    figures() {
      const { head, point } = ledger.inside.standing;
      const { needed, peers, waitingSeconds, cosignedSecondsAgo } = heads.state();
      const ages = Object.entries(cosignedSecondsAgo);
      return [
        gauge('ledger_entries', 'Entries under the newest head', head.head.size),
        gauge('ledger_blocks', 'Blocks', point.number),
        gauge('ledger_head_age_seconds', 'Age of the newest head', Date.now() / 1000 - head.head.time),
        gauge('ledger_published_entries', 'Entries under the newest head with a quorum', heads.size),
        gauge('ledger_quorum_needed', 'Cosignatures that a head needs', needed),
        gauge('ledger_peers', 'Peers that the trust root names', peers),
        gauge('ledger_quorum_waiting_seconds', 'How long the wanted head has waited for its quorum', waitingSeconds),
        gauge(
          'ledger_peer_cosignature_age_seconds',
          'Since a cosignature of this peer was taken; absent for none since the start',
          ages.map(([kid, seconds]) => [{ peer: kid.slice(0, KID_CHARS) }, seconds] as const),
        ),
        ...queueFigures(ledger.queue ? [ledger.queue()] : []),
      ];
    },
  };
}

/** Whether a peer follows, and for whom it holds its name back. */
export function peerFigures(state: () => PeerState): FigureSource {
  return {
    part: 'peer',
    figures() {
      const { state: now, holdsBack, cosigned, evidence, sources } = state();
      const states = PEER_STATES.map((name) => [{ state: name }, name === now ? 1 : 0] as const);
      return [
        gauge('peer_state', 'The state that this peer is in', states),
        gauge('peer_holds_back', 'Whether it follows without cosigning', holdsBack === null ? 0 : 1),
        gauge('peer_cosigned_entries', 'Entries under the last head that it signed', cosigned ?? 0),
        gauge('peer_evidence', 'Pieces of evidence against the orderer', evidence),
        gauge('peer_sources_reachable', 'Sources that answer', sources.filter(({ reachable }) => reachable).length),
      ];
    },
  };
}

const PEER_STATES = ['following', 'FORK', 'stopped'] as const;

export function queueFigures(queues: readonly QueueState[]): Figure[] {
  const of = (pick: (queue: QueueState) => number) =>
    queues.map((queue) => [{ queue: queue.name }, pick(queue)] as const);
  return [
    gauge(
      'queue_length',
      'What waits in a bounded queue',
      of(({ length }) => length),
    ),
    gauge(
      'queue_limit',
      'As much as may wait in it',
      of(({ limit }) => limit),
    ),
    counter(
      'queue_dropped',
      'What found no room in it',
      of(({ dropped }) => dropped),
    ),
  ];
}

/** Rollouts whose devices are counted, those that go on first. An id is a label, and rollouts gather over the years. */
export const ROLLOUTS_SHOWN_MAX = 50;
/** Counting reads a line for each device of a rollout. */
const ROLLOUTS_MS = 5_000;
const STATES = ['open', 'paused', 'planned', 'aborted'] as const;

/** Rollouts by state, and the devices of each by how they stand. */
export function rolloutFigures(ledger: LedgerClient): FigureSource {
  return { part: 'rollouts', figures: remembered(ROLLOUTS_MS, () => rolloutsNow(ledger)) };
}

async function rolloutsNow(ledger: LedgerClient): Promise<Figure[]> {
  const all = (await ledger.evaluate('listRollouts')) as RolloutView[];
  const count = (state: string) => all.filter((rollout) => rollout.state === state).length;
  const shown = [...all]
    .sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || b.rolloutSequence - a.rolloutSequence)
    .slice(0, ROLLOUTS_SHOWN_MAX);
  const devices = await Promise.all(shown.map((rollout) => devicesOf(ledger, rollout)));
  return [
    gauge(
      'rollouts',
      'Rollouts by state',
      by('state', Object.fromEntries(STATES.map((state) => [state, count(state)]))),
    ),
    gauge('rollout_devices', 'Devices of a rollout by the outcome of their newest report on it', devices.flat()),
    gauge(
      'rollout_wave',
      'The wave that is open',
      shown.map(({ rolloutId, wave }) => [{ rollout: rolloutId }, wave]),
    ),
  ];
}

async function devicesOf(ledger: LedgerClient, { rolloutId, waves }: RolloutView): Promise<Figure['values']> {
  const { trial, updated, reverted, refused } = (await ledger.evaluate('getTotals', rolloutId)) as TotalsView;
  const planned = waves.reduce((sum, wave) => sum + wave.devices, 0);
  // Devices that were enrolled after the plan report, too.
  const waiting = Math.max(0, planned - trial - updated - reverted - refused);
  return by('state', { waiting, trial, updated, reverted, refused }, { rollout: rolloutId });
}
