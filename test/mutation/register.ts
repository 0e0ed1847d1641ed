/** Preloaded with `--import`: the switches, and the loader that puts them into the code. */
import { register } from 'node:module';
import { Switches } from './switches.ts';

declare global {
  var countersignChecks: Switches;
}

globalThis.countersignChecks = new Switches();
register('./hooks.js', import.meta.url);
