import type { Command } from 'commander';
import { auditVerb } from './audit.ts';
import { deltaVerbs } from './delta.ts';
import { deviceProcessVerbs } from './device.ts';
import { deviceVerbs } from './devices.ts';
import { inspectVerb } from './inspect.ts';
import { keyVerbs } from './keys.ts';
import { passportVerbs } from './passport.ts';
import { peopleVerbs } from './people.ts';
import { releaseVerbs } from './publish.ts';
import { recordVerbs } from './record.ts';
import { rolloutVerbs } from './rollout.ts';
import { upVerb } from './up.ts';

/** Registers the verbs of the publisher's side. */
export function brokerVerbs(program: Command): void {
  upVerb(program);
  releaseVerbs(program);
  rolloutVerbs(program);
  deviceVerbs(program);
  deviceProcessVerbs(program);
  passportVerbs(program);
  recordVerbs(program);
  auditVerb(program);
  peopleVerbs(program);
  keyVerbs(program);
  inspectVerb(program);
  deltaVerbs(program);
}
