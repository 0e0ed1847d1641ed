/** The U-Boot environment by its own tools, for what they alone can write: raw NOR, NAND, UBI. */
import { execFileSync } from 'node:child_process';
import { demand, Refusal } from '../src/errors.ts';
import { isName, type UbootEnv } from './uboot-env.ts';

export interface ToolEnvOptions {
  /** Default `fw_printenv` and `fw_setenv` on the path. */
  print?: string;
  set?: string;
  /** `fw_env.config` elsewhere than in /etc. */
  config?: string;
}

/** Erasing a flash sector takes a second at most. */
const TOOL_MS_MAX = 30_000;

/** One call of `fw_setenv` for a whole change: several would leave half of it after a cut. */
export function toolEnv({ print = 'fw_printenv', set = 'fw_setenv', config }: ToolEnvOptions = {}): UbootEnv {
  const where = config === undefined ? [] : ['-c', config];
  return {
    read() {
      const lines = run(print, where, '').split('\n');
      return new Map(
        lines.flatMap((line) => {
          const [, name, value] = /^([^=]+)=(.*)$/.exec(line) ?? [];
          return name === undefined ? [] : [[name, value!] as const];
        }),
      );
    },
    change(change) {
      const lines = Object.entries(change).map(([name, value]) => {
        demand(isName(name) && !/[\n\0]/.test(value ?? ''), 'BAD_STORE', `${name} cannot be stored by a script`);
        return value ? `${name}=${value}` : `${name}=`;
      });
      run(set, [...where, '-s', '-'], `${lines.join('\n')}\n`);
    },
  };
}

function run(program: string, args: string[], input: string): string {
  try {
    return execFileSync(program, args, {
      input,
      encoding: 'utf8',
      timeout: TOOL_MS_MAX,
      killSignal: 'SIGKILL',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${program} failed`, { cause });
  }
}
