// Requests to the internal listener. The key is kept for the tab and sent as a header: no other page
// can make the browser send it along.

const KEY = 'broker-key';
const TENANT = 'broker-tenant';
const DEADLINE_MS = 10000;

const listeners = new Set();

export const access = {
  get key() { return sessionStorage.getItem(KEY) ?? ''; },
  set key(key) { keep(KEY, key); },
  get tenant() { return sessionStorage.getItem(TENANT) ?? ''; },
  set tenant(tenant) { keep(TENANT, tenant); },
  needed: false, // whether a key is asked for
  refusal: '', // why the one that was given does not do
  later: false, // whether nobody wants to give one now
};

function keep(name, value) {
  if (value) sessionStorage.setItem(name, value);
  else sessionStorage.removeItem(name);
  tell(false, '');
}

function tell(needed, refusal) {
  Object.assign(access, { needed, refusal });
  for (const listener of listeners) listener();
}

// Ask for a key, or put that off.
export function askForKey(now) {
  access.later = !now;
  tell(access.needed, access.refusal);
}

// Be told when the key or tenant changed, or a key is asked for.
export function onAccess(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the broker answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

// Nothing answers, as far as a page can know.
export class Unreachable extends Error {
  constructor() {
    super('The broker cannot be reached.');
  }
}

async function request(method, path, { body, headers = {}, query = {}, signal } = {}) {
  const asked = Object.entries(query).filter(([, value]) => value !== '' && value != null);
  const target = asked.length ? `${path}?${new URLSearchParams(asked)}` : path;
  const sent = { ...headers };
  if (access.key) sent['X-Api-Key'] = access.key;
  if (access.tenant) sent['X-Tenant'] = access.tenant;
  let answer;
  try {
    answer = await fetch(target, {
      method, body, headers: sent, cache: 'no-store', signal: signal ?? AbortSignal.timeout(DEADLINE_MS),
    });
  } catch {
    throw new Unreachable();
  }
  if (answer.ok) return answer;
  const error = new ApiError(answer.status, await answer.json().catch(() => ({})));
  if (answer.status === 401) tell(true, sent['X-Api-Key'] ? error.message : '');
  throw error;
}

const json = (value) => ({
  body: JSON.stringify(value), headers: { 'Content-Type': 'application/json' },
});
const read = async (answer) => (await answer).json();
const channel = (name) => `channels/${encodeURIComponent(name)}`;

export const api = {
  metrics: async () => (await request('GET', 'metrics')).text(),
  nodes: () => read(request('GET', 'nodes')),
  channels: (prefix, limit) => read(request('GET', 'channels', { query: { prefix, limit } })),
  channel: (name) => read(request('GET', channel(name))),
  messages: (name, after, limit) => read(
    request('GET', `${channel(name)}/messages`, { query: { after, limit } }),
  ),
  // The answer as soon as it begins; its body goes on until it is aborted.
  follow: (name, query, signal) => request('GET', `${channel(name)}/follow`, { query, signal }),
  drop: (name) => read(request('DELETE', channel(name))),
  sessions: (query) => read(request('GET', 'sessions', { query })),
  end: (session) => read(request('DELETE', `sessions/${encodeURIComponent(session)}`)),
  publish: (names, body, headers) => read(
    request('POST', `publish/${names.map(encodeURIComponent).join('/')}`, { body, headers }),
  ),
  explain: (asked) => read(request('POST', 'explain', json(asked))),
  makeToken: (asked) => read(request('POST', 'tokens', json(asked))),
  revoke: (asked) => read(request('POST', 'revoke', json(asked))),
  revocations: () => read(request('GET', 'revocations', { query: { limit: 200 } })),
};
