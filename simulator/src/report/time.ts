/** Time since the start, as the log shows it: `t=00:41.2`. */
export function stopwatch(): { seconds(): number; stamp(): string } {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  return {
    seconds,
    stamp() {
      const now = seconds();
      const minutes = Math.floor(now / 60);
      return `t=${String(minutes).padStart(2, '0')}:${(now - 60 * minutes).toFixed(1).padStart(4, '0')}`;
    },
  };
}
