/** One device and a hostile network, hour after hour of pocket time. Why they are together: ava.quick.config.mjs. */
import '../attacks/device-boot.test.ts';
import '../attacks/device-interruption.test.ts';
import '../attacks/device-network.test.ts';
import '../attacks/device-reports.test.ts';
import '../attacks/device-spending.test.ts';
