/** Which verbs there are, without what they need: that is loaded when one is named. */
import type { Command } from 'commander';

/** A file of verbs. */
export interface VerbRoom {
  /** First words of the command line that are its own. */
  names: readonly string[];
  load(): Promise<(program: Command) => void>;
}

/** The verbs of the publisher's side, in the order of the help. */
export const BROKER_VERBS: readonly VerbRoom[] = [
  { names: ['up'], load: async () => (await import('./up.ts')).upVerb },
  { names: ['peer'], load: async () => (await import('./peer.ts')).peerVerb },
  {
    names: ['publish', 'approve', 'reject', 'releases'],
    load: async () => (await import('./publish.ts')).releaseVerbs,
  },
  { names: ['download'], load: async () => (await import('./download.ts')).downloadVerb },
  { names: ['rollout'], load: async () => (await import('./rollout.ts')).rolloutVerbs },
  { names: ['devices'], load: async () => (await import('./devices.ts')).deviceVerbs },
  { names: ['device'], load: async () => (await import('./device.ts')).deviceProcessVerbs },
  { names: ['gateway'], load: async () => (await import('./gateway.ts')).gatewayVerb },
  { names: ['bundle'], load: async () => (await import('./bundle.ts')).bundleVerbs },
  { names: ['blobs'], load: async () => (await import('./blobs.ts')).blobVerbs },
  { names: ['passport'], load: async () => (await import('./passport.ts')).passportVerbs },
  { names: ['events'], load: async () => (await import('./events.ts')).eventsVerb },
  { names: ['history', 'head'], load: async () => (await import('./record.ts')).recordVerbs },
  { names: ['audit'], load: async () => (await import('./audit.ts')).auditVerb },
  { names: ['people'], load: async () => (await import('./people.ts')).peopleVerbs },
  { names: ['keys'], load: async () => (await import('./keys.ts')).keyVerbs },
  { names: ['inspect'], load: async () => (await import('./inspect.ts')).inspectVerb },
  { names: ['chain'], load: async () => (await import('./chain.ts')).chainVerbs },
  { names: ['delta'], load: async () => (await import('./delta.ts')).deltaVerbs },
];

/**
 * Registers the verb that is named, or all where none is: for the help, and for whoever mistyped it.
 * @param first the first word of the command line
 */
export async function addVerbs(program: Command, rooms: readonly VerbRoom[], first: string | undefined): Promise<void> {
  const named = rooms.filter(({ names }) => names.includes(first ?? ''));
  for (const { load } of named.length > 0 ? named : rooms) {
    const register = await load();
    register(program);
  }
}
