export { CODES, type Code, codeOf, demand, Refusal } from './errors.ts';
export type * from './ports.ts';
