/** A share of the checks, the same for one seed. */
import { createHash } from 'node:crypto';

export function sampleOf(names: readonly string[], count: number, seed: string): string[] {
  const place = (name: string) => createHash('sha256').update(`${seed} ${name}`).digest('hex');
  return names
    .map((name) => ({ name, place: place(name) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .slice(0, count)
    .map(({ name }) => name);
}
