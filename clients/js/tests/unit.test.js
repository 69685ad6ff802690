/** The parts of the client, without a broker. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { Backoff } from '../src/backoff.js';
import { Client, Cursor, Unreadable } from '../src/index.js';
import * as bundled from '../../../broker/assets/files/client.js';
import { EventReader } from '../src/eventReader.js';
import { Lost, Refused, Unauthorized } from '../src/errors.js';
import { LongPollLink } from '../src/longpoll.js';
import { errorOf, readClose, readEvent, readEvents } from '../src/message.js';
import * as index from '../src/index.js';
import { Site } from '../src/site.js';
import { Tokens } from '../src/tokens.js';

const DATE = 'Sat, 14 Nov 2015 15:51:54 GMT';
const CURSOR = new Cursor(1447516314, 21);

test('a cursor is read and written in every form', () => {
  for (const tag of ['21', 'W/21', '"21"', 'W/"21"']) assert.deepEqual(CURSOR, Cursor.of(DATE, tag));
  assert.deepEqual(CURSOR, Cursor.parse('1447516314-21'));
  assert.equal('1447516314-21', `${CURSOR}`);
  assert.equal('"1447516314-21"', JSON.stringify(CURSOR));
  assert.equal(DATE, CURSOR.httpDate);
  assert.equal(null, Cursor.of(null, '21'));
  for (const text of ['', '1', '1-', '-1', '1-x', '1-1-1']) {
    assert.throws(() => Cursor.parse(text), Unreadable);
  }
  assert.throws(() => Cursor.of('yesterday', '1'), Unreadable);
});

test('cursors order by time, then tag', () => {
  const inOrder = [[1, 9], [2, 0], [2, 1], [2, 10]].map((pair) => new Cursor(...pair));
  inOrder.forEach((one, at) => inOrder.forEach((other, place) => {
    assert.equal(at > place, one.isAfter(other));
  }));
});

test('an envelope is a message, a notice, a farewell or a move', () => {
  const place = { tag: '21', time: DATE };
  assert.deepEqual(
    { kind: 'message', id: 3282, channel: 'c.1', message: null, cursor: CURSOR },
    readEvent(JSON.stringify({ id: 3282, channel: 'c.1', message: null, ...place })),
  );
  const gap = { after: '1-1', first: '2-2', skipped: 41 };
  const [after, first] = [new Cursor(1, 1), new Cursor(2, 2)];
  const told = { kind: 'gap', channel: 'c', after, first, skipped: 41 };
  const lost = JSON.stringify({ channel: 'c', after: '1-1', first: '2-2' });
  assert.deepEqual({ ...told, skipped: 0 }, readEvent(lost));
  const notice = { id: -3, channel: 'c', message: { gap }, ...place };
  assert.deepEqual(told, readEvent(JSON.stringify(notice)));
  assert.deepEqual(told, readEvent(JSON.stringify({ channel: 'c', ...gap })));
  assert.deepEqual(
    { kind: 'farewell', status: 401, reason: 'expired', cursor: CURSOR },
    readEvent(JSON.stringify({ error: { status: 401, message: 'expired' }, ...place })),
  );
  assert.deepEqual(
    { kind: 'farewell', status: 503, reason: 'stopping', cursor: CURSOR },
    readEvent('{"cursor":"1447516314-21","status":503,"message":"stopping"}'),
  );
  assert.equal('moved', readEvent(JSON.stringify({ refreshed: {}, ...place })).kind);
});

test('what is no envelope is left out, and its text is in no error', (context) => {
  const said = context.mock.method(console, 'error', () => {});
  const texts = ['', '{', '[]', 'null', '{}', '"secret"', '{"id":1,"channel":"c","message":1}'];
  assert.deepEqual([], readEvents(texts));
  assert.equal(texts.length, said.mock.callCount());
  for (const text of texts) {
    assert.throws(() => readEvent(text), (error) => !error.message.includes('secret'));
  }
});

test('a close says whether to come back, when and where', () => {
  assert.deepEqual(
    { status: 503, retryAfterS: 23, cursor: CURSOR },
    readClose(3503, '{"cursor":"1447516314-21","retry_after":23}'),
  );
  assert.deepEqual({ status: 0, retryAfterS: null, cursor: null }, readClose(1006, ''));
  assert.ok(errorOf(401, '') instanceof Unauthorized);
  assert.ok(errorOf(403, '') instanceof Refused);
  assert.ok(errorOf(0, '') instanceof Lost);
});

test('a stream may be cut anywhere', () => {
  const stream = ': hi\r\nretry: 3000\n\nid: 1-1\ndata: one\rdata:two\r\n\r\nevent: x\n\ndata: é\n\n';
  for (let at = 0; at <= stream.length; at += 1) {
    const reader = new EventReader(100);
    const got = [...reader.feed(stream.slice(0, at)), ...reader.feed(stream.slice(at))];
    assert.deepEqual(['one\ntwo', 'é'], got);
    assert.equal(3, reader.retryS);
  }
  assert.throws(() => new EventReader(10).feed('data: far too long'), Unreadable);
});

test('a large event costs as much as its characters, however small the pieces are', () => {
  const data = 'x'.repeat(2_000_000);
  const stream = `data: ${data}\n\n`;
  const reader = new EventReader(stream.length);
  const { user } = process.cpuUsage();
  const got = [];
  for (let at = 0; at < stream.length; at += 1400) got.push(...reader.feed(stream.slice(at, at + 1400)));
  assert.deepEqual([data], got);
  assert.ok(process.cpuUsage().user - user < 4e6);
});

test('D49: the first retry is quick, those behind it take 20 to 30 seconds', () => {
  for (const random of [0, 0.5, 0.999]) {
    const backoff = new Backoff({ retryS: [20, 30], quickRetryS: 1 }, () => random);
    assert.ok(backoff.nextS() <= 1);
    for (let tries = 0; tries < 3; tries += 1) {
      const waitS = backoff.nextS();
      assert.ok(waitS >= 20 && waitS <= 30, waitS);
    }
    backoff.held(1);
    assert.ok(backoff.nextS() >= 20);
    backoff.held(60);
    assert.ok(backoff.nextS() <= 1);
    assert.equal(25, backoff.nextS(25));
    assert.equal(30, backoff.nextS(1000));
  }
});

test('a token is asked for once, however many wait for it, and again when refused', async () => {
  let asked = 0;
  const tokens = new Tokens(async () => `token ${(asked += 1)}`, { connectTimeoutS: 1, renewS: 30 });
  assert.deepEqual(['token 1', 'token 1'], await Promise.all([tokens.current(), tokens.current()]));
  await tokens.renew('token 0', new Error('refused')); // another has done it meanwhile
  await tokens.renew('token 1', new Error('refused'));
  assert.equal('token 2', await tokens.current());
  assert.equal(Infinity, tokens.renewInS);
  const fixed = new Tokens('fixed', { connectTimeoutS: 1, renewS: 30 });
  await assert.rejects(fixed.renew('fixed', new Refused(401, 'no')), Refused);
  const failing = new Tokens(() => { throw new Error('secret'); }, { connectTimeoutS: 1, renewS: 30 });
  await assert.rejects(failing.current(), (error) => error instanceof Lost
    && !error.message.includes('secret'));
});

test('a token is renewed before it runs out', async () => {
  const token = (leftS) => `x.${btoa(JSON.stringify({ exp: Date.now() / 1000 + leftS }))}.x`;
  for (const [leftS, waitS] of [[3600, 3570], [40, 20], [2, 2], [-5, Infinity]]) {
    const tokens = new Tokens(() => token(leftS), { connectTimeoutS: 1, renewS: 30 });
    await tokens.current();
    const difference = Math.abs(tokens.renewInS - waitS);
    assert.ok(waitS === tokens.renewInS || difference < 1, `${leftS}: ${tokens.renewInS}`);
  }
});

test('D9: addresses of all four schemes work, and hold nothing else', () => {
  for (const [url, base] of [
    ['http://a:1', 'http://a:1'], ['ws://a/', 'http://a'],
    ['https://a/b/', 'https://a/b'], ['wss://a', 'https://a'],
  ]) assert.equal(base, new Site(url).base);
  for (const url of ['ftp://a', 'http://u@a', 'http://a/?token=1', 'nothing']) {
    assert.throws(() => new Site(url), TypeError);
  }
  const ask = { channels: ['a b', 'ü'], token: 't&', cursor: CURSOR };
  const url = new URL(new Site('https://a').socketUrl(ask));
  assert.equal('wss://a/websocket/a%20b/%C3%BC', url.href.split('?')[0]);
  assert.equal('t&', url.searchParams.get('auth_token'));
  assert.equal(DATE, url.searchParams.get('time'));
});

/** Run a server that answers as a function says, for as long as another one runs. */
async function withServer(answer, use) {
  const server = createServer(answer);
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  try {
    await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const PLACE = { ETag: 'W/21', 'Last-Modified': DATE };

test('P2: polls go on where something takes their ETag away', async () => {
  const asked = [];
  const answer = ({ url, headers }, response) => {
    if (url.startsWith('/shortpoll/')) {
      response.writeHead(304, PLACE).end();
      return;
    }
    asked.push(headers['last-event-id']);
    const tag = String(asked.length + 21);
    const message = { id: asked.length, channel: 'c', message: null, tag, time: DATE };
    response.writeHead(200, { 'Last-Modified': DATE }).end(`${JSON.stringify(message)}\n`);
  };
  await withServer(answer, async (url) => {
    const client = new Client(url, { transports: ['longpoll'] });
    const subscription = client.subscribe('c');
    const ids = [];
    while (ids.length < 3) ids.push((await subscription.next()).value.id);
    client.close();
    assert.deepEqual([1, 2, 3], ids);
    assert.deepEqual(['1447516314-21', '1447516314-22', '1447516314-23'], asked.slice(0, 3));
  });
});

test('a poll whose token comes after the end is not sent', async () => {
  let asked = 0;
  const answer = (_, response) => {
    asked += 1;
    response.writeHead(304, PLACE).end();
  };
  await withServer(answer, async (url) => {
    let give;
    const tokens = { current: () => new Promise((resolve) => { give = resolve; }) };
    const options = { silenceS: 5, maxAnswerLength: 1000 };
    const ask = { channels: ['c'], cursor: CURSOR, token: '' };
    const link = new LongPollLink(new Site(url), ask, tokens, options);
    const polling = assert.rejects(link.receive(), Lost);
    await new Promise((resolve) => { setImmediate(resolve); });
    link.close();
    give('token');
    await polling;
    assert.equal(0, asked);
  });
});

test('a subscription that was refused is kept by nobody, unless it is asked again', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  let refuses = true;
  const answer = ({ url }, response) => {
    if (refuses) response.writeHead(403, { 'Content-Type': 'application/problem+json' }).end('{}');
    else if (url.startsWith('/shortpoll/')) response.writeHead(304, PLACE).end();
  };
  await withServer(answer, async (url) => {
    const client = new Client(url, { transports: ['longpoll'] });
    const refused = async () => {
      const subscription = client.subscribe('c');
      await assert.rejects(subscription.next(), Refused);
      return new WeakRef(subscription);
    };
    const seen = await refused();
    for (let turns = 0; turns < 100 && seen.deref(); turns += 1) {
      await new Promise((resolve) => { setTimeout(resolve, 1); });
      collect();
    }
    assert.equal(undefined, seen.deref());

    const again = client.subscribe('c');
    await assert.rejects(again.next(), Refused);
    refuses = false;
    const waiting = again.next();
    while (again.cursor === null) await new Promise((resolve) => { setImmediate(resolve); });
    client.close();
    assert.equal(true, (await waiting).done);
  });
});

test('mistakes in options and channels are named at once', () => {
  for (const options of [{ retryS: [2, 1] }, { transports: [] }, { transports: ['x'] }, { x: 1 }]) {
    assert.throws(() => new Client('http://a', options), RangeError);
  }
  const client = new Client('http://a');
  for (const channels of [[], '', ['a', ''], 'a/b']) {
    assert.throws(() => client.subscribe(channels), RangeError);
  }
  assert.throws(() => client.subscribe('a', { cursor: 'x' }), Unreadable);
});

test('the one file, the modules and the types name the same things', () => {
  assert.deepEqual(Object.keys(index).sort(), Object.keys(bundled).sort());
  const types = readFileSync(new URL('../src/index.d.ts', import.meta.url), 'utf8');
  const declared = [...types.matchAll(/^export class (\w+)/gm)].map((match) => match[1]);
  assert.deepEqual(Object.keys(index).sort(), declared.sort());
  const options = readFileSync(new URL('../src/options.js', import.meta.url), 'utf8');
  for (const [, name] of options.matchAll(/^ {2}(\w+):/gm)) assert.match(types, new RegExp(`${name}\\?:`));
});
