/** Refusals over HTTP: the status for proxies, the code in the body for machines, the sentence for people. */
import { CODES, type Code, Refusal } from '@countersign/device-sdk';
import { EXPLAINED } from '../cli/explained.ts';

/** What the API answers where it refuses. Source: RFC 9457; `code` is ours. */
export interface Problem {
  /** The path, on this server, of the page that explains the code. */
  type: string;
  /** The same for every refusal of one code. */
  title: string;
  status: number;
  /** What was expected, and what came. */
  detail: string;
  code: Code;
}

export const PROBLEM_TYPE = 'application/problem+json';

/** A refusal to a device (docs/FORMAT.md, HTTP for devices), and on the terminal. */
export interface RefusalBody {
  code: Code;
  text: string;
  /** Where it says what to do about it. */
  doc: string;
}

const STATUS: Partial<Record<Code, number>> = {
  UNAUTHORIZED: 401,
  EXPIRED: 401,
  BAD_FACTOR: 401,
  FACTOR_USED: 401,
  NOT_PERMITTED: 403,
  SAME_PERSON: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  EXISTS: 409,
  DUPLICATE: 409,
  NOT_APPROVED: 409,
  LOCKED: 409,
  TOO_LARGE: 413,
  TRIAL_RIG: 422,
  RATE_LIMITED: 429,
  LOCKED_OUT: 429,
  BAD_STORE: 500,
  BAD_FRAME: 500,
  BAD_BLOCK: 500,
  BAD_HEAD: 500,
  TORN: 500,
  DIVERGED: 500,
  INTERNAL: 500,
  UNREACHABLE: 502,
  BUSY: 503,
};

/** What the API answers to anything thrown. A fault of ours keeps its inside to itself. */
export function problemOf(error: unknown): Problem {
  const { status, body } = answerOf(error);
  return problem(body.code, status, body.text);
}

export function problem(code: Code, status: number, detail: string): Problem {
  return { type: `/docs/refusals#${code}`, title: EXPLAINED[code][0], status, detail, code };
}

/** What a device is answered to anything thrown. A fault of ours keeps its inside to itself. */
export function answerOf(error: unknown): { status: number; body: RefusalBody } {
  if (!(error instanceof Refusal)) return { status: 500, body: bodyOf('INTERNAL', 'a fault of the server') };
  return { status: STATUS[error.code] ?? 400, body: bodyOf(error.code, error.message) };
}

export function bodyOf(code: Code, text: string): RefusalBody {
  return { code, text, doc: `docs/REFUSALS.md, ${code}` };
}

/** A refusal's sentence from a hostile server is cut at this length before it reaches a terminal or a log. */
const TEXT_CHARS_MAX = 512;

/** The refusal that a server's answer stands for. Bodies of other servers (a proxy's page) become UNREACHABLE. */
export function refusalOf(status: number, body: unknown): Refusal {
  const { code, detail } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const known = CODES.find((item) => item === code);
  if (known && typeof detail === 'string') return new Refusal(known, printable(detail));
  if (status === 404) return new Refusal('NOT_FOUND', 'the server knows no such address');
  if (status === 401 || status === 403) return new Refusal('UNAUTHORIZED', `the server answers ${status}`);
  return new Refusal('UNREACHABLE', `the server answers ${status}`);
}

function printable(text: string): string {
  return text.slice(0, TEXT_CHARS_MAX).replace(/\p{Cc}/gu, ' ');
}
