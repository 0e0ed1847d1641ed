/** Removes checks one at a time, in processes of their own, and says for each what the attack suite noticed. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromWorker, Listed, Result } from './messages.ts';

/** The slowest try takes two seconds on a machine that is not busy; a mutant that says nothing for this long hangs. */
const SILENCE_MS_MAX = 120_000;
/** Before the first mutant nothing can hang: only a machine with too much else to do makes a try slow. */
const BEGINNING_MS_MAX = 600_000;

export interface Mutated {
  /** Tries that fail although nothing is removed: then no result means anything. */
  failed: readonly string[];
  checks: readonly Listed[];
  results: Map<string, Result>;
}

/** @param choose which checks to remove; @param told each result as it comes */
export async function mutate(
  choose: (checks: readonly Listed[]) => readonly string[],
  told: (name: string, result: Result) => void = () => {},
): Promise<Mutated> {
  const results = new Map<string, Result>();
  let listed: { failed: readonly string[]; checks: readonly Listed[] } = { failed: [], checks: [] };
  for (;;) {
    const hung = await oneProcess(
      (found) => {
        listed = found;
        return choose(found.checks).filter((name) => !results.has(name));
      },
      (name, result) => {
        results.set(name, result);
        told(name, result);
      },
    );
    if (hung === undefined) return { ...listed, results };
    results.set(hung, { outcome: 'hung' });
    told(hung, { outcome: 'hung' });
  }
}

/** @returns the name of the check without which it hung, undefined when all is done */
function oneProcess(
  begin: (listed: { failed: readonly string[]; checks: readonly Listed[] }) => readonly string[],
  told: (name: string, result: Result) => void,
): Promise<string | undefined> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const child: ChildProcess = fork(path('./worker.js'), [], {
    execArgv: ['--import', new URL('./register.js', import.meta.url).href, '--max-old-space-size=1536'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let trying: string | undefined;
  let timer: NodeJS.Timeout;
  return new Promise((resolve, reject) => {
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => child.kill('SIGKILL'), trying === undefined ? BEGINNING_MS_MAX : SILENCE_MS_MAX);
    };
    watch();
    child.on('message', (message: FromWorker) => {
      if (message.kind === 'trying') trying = message.name;
      watch();
      if (message.kind === 'baseline') child.send({ kind: 'mutants', names: begin(message) });
      else if (message.kind === 'result') told(message.name, message.result);
      else if (message.kind === 'done') {
        trying = undefined;
        child.disconnect();
      }
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(timer);
      if (trying === undefined && code !== 0) reject(new Error(`the suite ended with ${code} before any mutant`));
      else resolve(trying);
    });
  });
}
