/** Fleets without sockets. Why they are together: ava.quick.config.mjs. */
import '../simulator/faults.test.ts';
import '../simulator/oracle.test.ts';
import '../simulator/trial.test.ts';
import '../simulator/virtual.test.ts';
