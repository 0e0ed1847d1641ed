/** All verbs: the broker's, and with them those that need a false world. */
import { BROKER_VERBS, type VerbRoom } from '@countersign/broker/face/cli/verbs';

export const VERBS: readonly VerbRoom[] = [
  { names: ['demo'], load: async () => (await import('./scenario/demo-verb.ts')).demoVerb },
  ...BROKER_VERBS,
  { names: ['simulate'], load: async () => (await import('./scenario/simulate-verb.ts')).simulateVerb },
  { names: ['attack'], load: async () => (await import('./attacks/verb.ts')).attackVerb },
  { names: ['trial'], load: async () => (await import('./trial/verb.ts')).trialVerb },
];
