/** A source that is opened when it is first asked for something: an engine that is away at a start is asked again. */
import type { OrderedSource } from './order.ts';

/** @param open tried again at the next question where it failed */
export function lateSource(open: () => Promise<OrderedSource>): OrderedSource {
  let opening: Promise<OrderedSource> | undefined;
  let opened: OrderedSource | undefined;
  const source = async () => {
    opening ??= open().catch((error) => {
      opening = undefined;
      throw error;
    });
    opened = await opening;
    return opened;
  };
  return {
    begin: async (statements) => (await source()).begin(statements),
    submit: async (statement) => (await source()).submit(statement),
    height: async () => (await source()).height(),
    follow: async (...args) => (await source()).follow(...args),
    braked: () => opened?.braked?.() ?? [],
    async close() {
      await (await opening?.catch(() => undefined))?.close();
    },
  };
}
