// A page that counts what it gets: ids of a channel are contiguous, so what is missing shows.

const asked = new URLSearchParams(location.hash.slice(1));
const broker = asked.get('broker') ?? 'http://127.0.0.1:8080';
const channels = (asked.get('channels') ?? 'ping').split(',');
const SHOWN = 20;
const SECONDS = 120;

const field = (id) => document.getElementById(id);
const counts = { received: 0, missing: 0, repeated: 0, reconnects: 0 };
const lastIds = new Map();
const latest = [];
const rates = [];
let connections = 0;
let changed = true;

function take({ channel, id, message, cursor }) {
  if (channel !== 'ping') {
    const last = lastIds.get(channel);
    if (last !== undefined && id > last + 1) counts.missing += id - last - 1;
    if (last !== undefined && id <= last) counts.repeated += 1;
    lastIds.set(channel, Math.max(id, last ?? 0));
    counts.received += 1;
  }
  latest.unshift([channel, id, String(cursor), JSON.stringify(message)]);
  latest.length = Math.min(latest.length, SHOWN);
  changed = true;
}

function tellState({ state, transport, reason, waitS }) {
  if (state === 'connected' && (connections += 1) > 1) counts.reconnects += 1;
  const wait = state === 'waiting' ? `, next try in ${waitS.toFixed(1)} s` : '';
  field('state').textContent = `${state} (${transport})${reason && `: ${reason}`}${wait}`;
  changed = true;
}

function tellGap({ channel, after, first }) {
  const where = channel ? ` of ${channel}` : '';
  field('gaps').textContent = `Messages${where} after ${after} are no longer kept, up to ${first}.`;
}

// However many messages come, the page is drawn once a frame.
function draw() {
  requestAnimationFrame(draw);
  if (!changed) return;
  changed = false;
  for (const [name, count] of Object.entries(counts)) field(name).textContent = count;
  field('latest').replaceChildren(...latest.map((cells) => {
    const row = document.createElement('tr');
    row.append(...cells.map((text) => {
      const cell = document.createElement('td');
      cell.textContent = cell.title = text;
      return cell;
    }));
    return row;
  }));
}

function measure() {
  rates.push(counts.received - measure.before);
  measure.before = counts.received;
  if (rates.length > SECONDS) rates.shift();
  field('rate').textContent = rates.at(-1);
  const most = Math.max(1, ...rates);
  const points = rates.map((rate, at) => `${SECONDS - rates.length + at},${38 - (36 * rate) / most}`);
  field('line').setAttribute('points', points.join(' '));
}
measure.before = 0;

async function follow() {
  const { Client } = await import(`${broker}/client.js`).catch(() => {
    throw new Error(`no broker answers at ${broker}; start it and load the page again`);
  });
  const options = { token: asked.get('token') ?? undefined };
  if (asked.has('transport')) options.transports = [asked.get('transport')];
  if (asked.has('retry')) options.retryS = [0, Number(asked.get('retry'))];
  const subscription = new Client(broker, options).subscribe(channels, {
    cursor: asked.get('cursor'),
    onGap: tellGap,
    onState: tellState,
  });
  for await (const message of subscription) take(message);
}

requestAnimationFrame(draw);
setInterval(measure, 1000);
follow().catch((error) => {
  field('state').textContent = `stopped: ${error.message}`;
});
