/** What `up` says when everything answers: one line for scripts, or where everything is for people. */
import { clientTokenPath, peopleFolder, type ServerName, trustRootPath } from '../up/folders.ts';
import type { FirstPerson } from '../up/identities.ts';
import type { Quorum } from '../up/ledger.ts';
import { isLoopback, type Running } from '../up/parts.ts';
import type { RunningAll } from '../up/start.ts';
import { nextCommand } from './connect.ts';

interface Asked {
  host?: string | undefined;
  only?: ServerName | undefined;
  requireTotp?: boolean | undefined;
}

/** What an operator may not have thought of; a line each. */
export function warningsOf({ host, only, requireTotp }: Asked): string[] {
  // The ledger's server alone asks for codes; the other two hand them on to it.
  const asks = only === undefined || only === 'ledger';
  return asks && !requireTotp && host !== undefined && !isLoopback(host) ? [NO_FACTOR] : [];
}

const NO_FACTOR =
  'no second factor is demanded: the key file of a person and a token are enough to approve or open a rollout from afar (--require-totp)';

export function readyJson(running: Running & Partial<RunningAll>, data: string, warnings: readonly string[]) {
  const { url, token, tokenIsNew, endpoints, made = [], samples = [], quorum } = running;
  return {
    ready: true,
    url,
    data,
    pid: process.pid,
    token: tokenIsNew ? token : null,
    ...endpoints,
    people: made,
    samples,
    warnings,
    ...(quorum && { quorum }),
  };
}

export function readyText(running: Running & Partial<RunningAll>, data: string, temporary: boolean): string {
  const { url, token, tokenIsNew, endpoints, made = [], samples = [] } = running;
  const here = `--data ${data}`;
  return [
    `countersign is up: ${endpoints.servers.join(', ')}`,
    '',
    `  API      ${url}`,
    ...(endpoints.mqtt && endpoints.servers.includes('distribution') ? [`  MQTT     ${endpoints.mqtt}`] : []),
    ...(endpoints.devices ? [`  devices  ${endpoints.devices}`] : []),
    `  ledger   ${endpoints.origin}`,
    `  folder   ${data}${temporary ? '  (temporary: removed at the end)' : ''}`,
    `  trust    ${trustRootPath(data)}`,
    ...(tokenIsNew && token
      ? [
          '',
          `  token    ${token}`,
          `           shown this once; commands with ${here} read it from ${clientTokenPath(data)}`,
        ]
      : []),
    ...peopleText(made, data),
    ...(running.quorum ? ['', ...quorumText(running.quorum)] : []),
    ...(samples.length > 0 ? ['', `samples: ${samples.join(', ')}`] : []),
    '',
    `try  ${nextCommand({ data }, 'releases')}`,
  ].join('\n');
}

function peopleText(made: readonly FirstPerson[], data: string): string[] {
  if (made.length === 0) return [];
  const roles = made.map(({ name, roles }) => `  ${name}: ${roles.join(', ')}`);
  return [
    '',
    `people, with keys made in ${peopleFolder(data)}:`,
    ...roles,
    '  Their keys lie side by side on this machine, so whoever has this folder can publish and approve alone.',
    '  For two parties in earnest give each a machine: countersign keys new, people add, people revoke.',
  ];
}

/** What one machine cannot promise is said where it is started, not only in a document. */
function quorumText({ needed, peers }: Quorum): readonly string[] {
  if (needed === 0) return NO_PEERS;
  const asked = `quorum ${needed} of ${peers} peers: nothing is announced that they have not cosigned (countersign peer).`;
  return 2 * needed > peers ? [asked] : [asked, NO_MAJORITY];
}

const NO_PEERS = [
  'quorum 0: no peer cosigns the heads. This one machine could show two people two histories,',
  'until they compare heads (countersign audit --watch). docs/THREATS.md says more.',
];

const NO_MAJORITY = 'It is no majority: two histories could each be cosigned by peers that do not see each other.';
