/** Machines of different people: a folder each, in which their commands run as processes. Nothing but JSON travels. */
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Ended, start } from './command.ts';
import { repository } from './repository.ts';

export class Machines {
  /** The word URL of a line stands for it. */
  url = '';
  readonly #dir: string;
  readonly #names: readonly string[];

  private constructor(dir: string, names: readonly string[]) {
    this.#dir = dir;
    this.#names = names;
  }

  static async in(dir: string, names: readonly string[]): Promise<Machines> {
    for (const name of names) await mkdir(join(dir, name));
    return new Machines(dir, names);
  }

  at(name: string, ...path: string[]): string {
    return join(this.#dir, name, ...path);
  }

  /** `name$ countersign words > file`, there. */
  async line(text: string): Promise<Ended> {
    const [, name = '', words = '', into] = /^(\w+)\$ countersign (.*?)(?: > (\S+))?$/.exec(text) ?? [];
    const args = words.split(' ').map((word) => (word === 'URL' ? this.url : word));
    const ended = await start(args, this.at(name)).ended;
    if (into !== undefined) await writeFile(this.at(name, into), ended.stdout);
    return ended;
  }

  /** A line that must succeed, and whose files then go to everybody. */
  async done(t: ExecutionContext, text: string): Promise<string> {
    const { code, stdout, stderr } = await this.line(text);
    t.is(code, 0, `${text}: ${stderr}`);
    const name = text.slice(0, text.indexOf('$'));
    for (const file of (await readdir(this.at(name))).filter((item) => item.endsWith('.json')))
      for (const other of this.#names) if (other !== name) await cp(this.at(name, file), this.at(other, file));
    return stdout;
  }
}

/** The lines that several people run to sign a trust root, as they stand in the runbook. */
export async function linesOfSigners(): Promise<string[]> {
  const text = await readFile(join(repository, 'docs/OPERATIONS.md'), 'utf8');
  const section = text.slice(text.indexOf('\n## Keys: exchange'), text.indexOf('\n### A key was stolen'));
  return [...section.matchAll(/^(?:ann|ben|o|d)\$ countersign .*$/gm)].map(([line]) => line);
}
