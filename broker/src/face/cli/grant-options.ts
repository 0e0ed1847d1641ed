/** What every grant of enrolment has in common: how long, and the files that the factory gets with it. */
import type { Command } from 'commander';
import { type FactoryFiles, writeFactoryFiles } from '../client/provision.ts';
import type { Session } from '../client/session.ts';
import type { PersonOptions } from './connect.ts';

export interface GrantOptions extends PersonOptions {
  product: string;
  /** Seconds from now. */
  expires: number;
  provision?: string;
  out: string;
}

export function factoryOptions(command: Command): Command {
  return command
    .option('--provision <version>', "write the factory's files: this release and its record, for any device")
    .option('--out <folder>', 'where they go', '.');
}

/** None where no version was named. */
export async function factoryFiles(session: Session, options: GrantOptions): Promise<Partial<FactoryFiles>> {
  const { product, provision, out } = options;
  return provision === undefined ? {} : writeFactoryFiles(session, product, provision, undefined, out);
}

/** Seconds since the epoch. */
export function expiryOf({ expires }: GrantOptions): number {
  return Math.floor(Date.now() / 1000) + expires;
}
