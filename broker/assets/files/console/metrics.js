// The text form of Prometheus, and what is made of its numbers.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

// Read every sample: name to a list of [labels, number].
export function parse(text) {
  const samples = new Map();
  for (const line of text.split('\n')) {
    const match = line[0] === '#' ? null : LINE.exec(line);
    if (match === null) continue;
    const labels = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(LABEL)) labels[name] = value;
    if (!samples.has(match[1])) samples.set(match[1], []);
    samples.get(match[1]).push([labels, Number(match[3])]);
  }
  return samples;
}

// Add up the samples of a name; of some labels only, where they are given.
export function sum(samples, name, wanted = {}) {
  const chosen = Object.entries(wanted);
  let total = 0;
  for (const [labels, number] of samples.get(name) ?? []) {
    if (chosen.every(([label, value]) => labels[label] === value)) total += number;
  }
  return total;
}

// The value below which a share of what a histogram counted between two looks lies; in seconds.
export function quantile(before, after, name, share) {
  const buckets = new Map();
  for (const [samples, sign] of [[before, -1], [after, 1]]) {
    for (const [{ le }, number] of samples.get(`${name}_bucket`) ?? []) {
      buckets.set(le, (buckets.get(le) ?? 0) + sign * number);
    }
  }
  const ordered = [...buckets].map(([le, count]) => [le === '+Inf' ? Infinity : Number(le), count]);
  ordered.sort(([one], [other]) => one - other);
  const total = ordered.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const found = ordered.findIndex(([, count]) => count >= share * total);
  return ordered[found][0] === Infinity ? ordered[found - 1]?.[0] ?? null : ordered[found][0];
}

// Who looks at a channel from here is served like a subscriber, and is none.
const subscribers = (samples, name) => sum(samples, name) - sum(samples, name, { transport: 'internal' });

const counters = {
  published: 'broker_published_messages_total',
  delivered: 'broker_delivered_messages_total',
  gaps: 'broker_gaps_told_total',
  refusals: 'broker_refusals_total',
};

// Numbers of now, and rates since the look before; null for the first look.
export function figures(before, after, seconds) {
  const rate = (name) => Math.max(0, sum(after, name) - sum(before, name)) / seconds;
  const told = Object.entries(counters).map(([figure, name]) => [figure, rate(name)]);
  return {
    ...Object.fromEntries(told),
    gapsAll: sum(after, counters.gaps),
    connections: subscribers(after, 'broker_connections'),
    sessions: subscribers(after, 'broker_sessions'),
    lagging: subscribers(after, 'broker_sessions_lagging'),
    channels: sum(after, 'broker_channels'),
    workers: sum(after, 'broker_workers'),
    latencyMs: thousandfold(quantile(before, after, 'broker_publish_to_socket_seconds', 0.99)),
    loopLagMs: thousandfold(quantile(before, after, 'broker_loop_lag_seconds', 0.99)),
  };
}

const thousandfold = (seconds) => (seconds === null ? null : seconds * 1000);
