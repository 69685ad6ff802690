/** The client and a real broker: transports, faults, tokens. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Client, Refused, Unauthorized } from '../src/index.js';
import { Broker } from './support/broker.js';
import { Wire } from './support/wire.js';

const RULES = `
channels:
  - {name: ping, history: {messages: 0}, subscribe: [{}]}
  - {name: "short.{id}", history: {messages: 3}, subscribe: [{sub: "7"}]}
  - {name: "news.{id}", history: {messages: 5000}, subscribe: [{sub: "7"}]}
  - {name: "secret.{id}", subscribe: [{sub: "8"}]}
`;
const HASTY = { retryS: [0.05, 0.2], quickRetryS: 0.1, connectTimeoutS: 5 };
const TRANSPORTS = ['websocket', 'eventsource', 'longpoll'].filter(
  (name) => name !== 'websocket' || typeof WebSocket !== 'undefined',
);

let broker;
let token;
let channels = 0;

before(async () => {
  broker = await Broker.start(RULES, '--longpoll-timeout-s', '2');
  token = broker.token();
});
after(() => broker.close());

const newChannel = (kind = 'news') => `${kind}.${(channels += 1)}`;

/** Take so many messages of a subscription. */
async function take(subscription, count) {
  const taken = [];
  while (taken.length < count) taken.push((await subscription.next()).value);
  return taken;
}

async function until(condition, what) {
  for (let looks = 0; looks < 6000; looks += 1) {
    if (condition()) return;
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
  assert.fail(`not in time: ${what}`);
}

const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1);

for (const transport of TRANSPORTS) {
  describe(transport, () => {
    const options = () => ({ token, transports: [transport], ...HASTY });

    test('what is published from the place on arrives, once and in order', async () => {
      const client = new Client(broker.url, options());
      const channel = newChannel();
      const subscription = await client.subscribe([channel, 'ping']).ready();
      for (const number of numbers(20)) await broker.publish(channel, { number });
      const taken = [];
      for await (const message of subscription) {
        if (message.channel === channel) taken.push(message);
        if (taken.length === 20) break;
      }
      assert.deepEqual(numbers(20), taken.map(({ message }) => message.number));
      assert.deepEqual(numbers(20), taken.map(({ id }) => id));
      assert.deepEqual({ value: undefined, done: true }, await subscription.next());
    });

    test('a cursor resumes: text or object, where another transport left', async () => {
      const client = new Client(broker.url, options());
      const channel = newChannel();
      const stamps = [];
      for (const number of numbers(6)) stamps.push(await broker.publish(channel, number));
      const other = new Client(broker.url, { ...options(), transports: ['longpoll'] });
      const [first] = await take(other.subscribe(channel, { cursor: '0-0' }), 1);
      const later = client.subscribe(channel, { cursor: first.cursor });
      assert.deepEqual([2, 3], (await take(later, 2)).map(({ message }) => message));
      const latest = client.subscribe(channel, { cursor: String(later.cursor) });
      assert.deepEqual([4, 5, 6], (await take(latest, 3)).map(({ message }) => message));
      assert.equal(stamps[5].tag, String(latest.cursor.tag));
      client.close();
      other.close();
    });

    test('a gap is told before what comes after it', async () => {
      const client = new Client(broker.url, options());
      const channel = newChannel('short');
      for (const number of numbers(9)) await broker.publish(channel, number);
      const told = [];
      const onGap = (gap) => { told.push(gap); };
      const cursor = '1-1';
      const taken = await take(client.subscribe(channel, { cursor, onGap }), 3);
      assert.deepEqual([7, 8, 9], taken.map(({ message }) => message));
      assert.equal(1, told.length);
      assert.equal('1-1', String(told[0].after));
      client.close();
    });

    test('cut connections lose nothing and repeat nothing', async () => {
      const wire = await Wire.to(broker.port);
      const client = new Client(wire.url, options());
      const channel = newChannel();
      const states = [];
      const onState = ({ state }) => states.push(state);
      const subscription = await client.subscribe(channel, { onState }).ready();
      const taking = take(subscription, 300);
      for (const number of numbers(300)) {
        await broker.publish(channel, number);
        if (number % 30 === 0) wire.cut();
      }
      assert.deepEqual(numbers(300), (await taking).map(({ message }) => message));
      assert.ok(states.filter((state) => state === 'waiting').length >= 3, states.join());
      client.close();
      await wire.close();
    });

    test('a refusal is thrown and not tried again', async () => {
      const client = new Client(broker.url, options());
      const refused = client.subscribe(newChannel('secret'));
      await assert.rejects(refused.next(), (error) => error instanceof Refused
        && !(error instanceof Unauthorized) && error.status === 403);
      const nobody = new Client(broker.url, { ...options(), token: undefined });
      await assert.rejects(nobody.subscribe(newChannel()).next(), Unauthorized);
    });

    test('a revoked token is replaced, and nothing is lost', async () => {
      const tokens = [broker.token(), broker.token()];
      const jti = JSON.parse(atob(tokens[0].split('.')[1])).jti;
      let asked = 0;
      const client = new Client(broker.url, { ...options(), token: () => tokens[asked++] });
      const channel = newChannel();
      const subscription = client.subscribe(channel);
      const taking = take(subscription, 2);
      await until(() => subscription.cursor !== null, 'it has its place');
      await broker.publish(channel, 1);
      await broker.revoke({ jti });
      await until(() => asked === 2, 'another token was asked for');
      await broker.publish(channel, 2);
      assert.deepEqual([1, 2], (await taking).map(({ message }) => message));
      client.close();
    });

    test('whoever waits is let go when the subscription is closed', async () => {
      const client = new Client(broker.url, options());
      const subscription = await client.subscribe(newChannel()).ready();
      const waiting = subscription.next();
      client.close();
      assert.equal(true, (await waiting).done);
    });
  });
}

test('restarts of the broker keep the count exact, on every transport', async () => {
  const own = await Broker.start(RULES, '--longpoll-timeout-s', '2');
  const channel = newChannel();
  const clients = TRANSPORTS.map(
    (name) => new Client(own.url, { token: own.token(), transports: [name], ...HASTY }),
  );
  const taking = [];
  for (const client of clients) taking.push(take(await client.subscribe(channel).ready(), 90));
  let published = 0;
  const publishing = (async () => {
    while (published < 90) await own.publish(channel, (published += 1));
  })();
  for (const [signal, at] of [['SIGTERM', 20], ['SIGKILL', 40], ['SIGTERM', 60]]) {
    await until(() => published >= at, 'messages were published');
    await own.down(signal);
    await own.up();
  }
  await publishing;
  for (const taken of await Promise.all(taking)) {
    assert.deepEqual(numbers(90), taken.map(({ message }) => message));
  }
  clients.forEach((client) => client.close());
  await own.close();
});

test('the next transport is tried where one does not get through', async () => {
  const wire = await Wire.to(broker.port);
  wire.refuse('/websocket/', '/eventsource/');
  const client = new Client(wire.url, { token, ...HASTY });
  const channel = newChannel();
  const seen = [];
  const onState = ({ state, transport }) => seen.push(`${state} ${transport}`);
  const subscription = await client.subscribe(channel, { onState }).ready();
  const taking = take(subscription, 1);
  await broker.publish(channel, 'through');
  assert.equal('through', (await taking)[0].message);
  const blocked = seen.filter((text) => text.startsWith('blocked'));
  assert.deepEqual(['blocked websocket', 'blocked eventsource'], blocked);
  client.close();
  await wire.close();
});

test('a token that runs out is replaced in time', async () => {
  let asked = 0;
  const source = () => {
    asked += 1;
    return broker.token(5);
  };
  const client = new Client(broker.url, { token: source, ...HASTY });
  const channel = newChannel();
  const connected = [];
  const onState = ({ state }) => state === 'connected' && connected.push(state);
  const subscription = await client.subscribe(channel, { onState }).ready();
  const taking = take(subscription, 1);
  await until(() => asked >= 3, 'the token was replaced twice');
  await broker.publish(channel, 'still here');
  assert.equal('still here', (await taking)[0].message);
  // On a WebSocket it is told in band: the connection stays.
  if (TRANSPORTS.includes('websocket')) assert.equal(1, connected.length);
  client.close();
});

test('a WebSocket that fell silent is found out and replaced', async (context) => {
  if (!TRANSPORTS.includes('websocket')) return context.skip('there is no WebSocket here');
  const wire = await Wire.to(broker.port);
  const options = { token, ...HASTY, transports: ['websocket'], heartbeatS: 0.4 };
  const client = new Client(wire.url, options);
  const channel = newChannel();
  const states = [];
  const onState = ({ state, reason }) => states.push(`${state} ${reason}`.trim());
  const subscription = await client.subscribe(channel, { onState }).ready();
  const taking = take(subscription, 2);
  await broker.publish(channel, 1);
  await until(() => wire.said >= 3, 'it has asked for signs of life');
  assert.equal(0, states.filter((state) => state.startsWith('waiting')).length);
  wire.stalled = true;
  await until(() => states.some((state) => state.includes('fell silent')), 'silence is noticed');
  wire.stalled = false;
  await broker.publish(channel, 2);
  assert.deepEqual([1, 2], (await taking).map(({ message }) => message));
  client.close();
  await wire.close();
});

test('a slow reader is given everything all the same', async (context) => {
  if (!TRANSPORTS.includes('websocket')) return context.skip('there is no WebSocket here');
  const options = { token, ...HASTY, transports: ['websocket'], maxWaitingFrames: 10 };
  const client = new Client(broker.url, options);
  const channel = newChannel();
  const states = [];
  const onState = ({ state, reason }) => states.push(`${state} ${reason}`);
  for (const number of numbers(50)) await broker.publish(channel, number);
  const subscription = client.subscribe(channel, { cursor: '0-0', onState });
  const taken = [];
  while (taken.length < 50) {
    taken.push((await subscription.next()).value.message);
    await new Promise((resolve) => { setTimeout(resolve, 2); });
  }
  assert.deepEqual(numbers(50), taken);
  assert.ok(states.some((state) => state.includes('too slowly')), states.join());
  client.close();
});
