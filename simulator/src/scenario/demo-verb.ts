import type { Command } from 'commander';

export function demoVerb(_program: Command): void {}
