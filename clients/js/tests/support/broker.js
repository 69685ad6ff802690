/** A real broker: `broker serve` as a process, to talk to, restart and kill. */

import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PYTHON = process.env.TEST_PYTHON ?? 'python3';
const TREE = new URL('../../../..', import.meta.url).pathname;
const READY = 'broker is ready';

/** Starts a broker on free ports, with channel rules of the tests. */
export class Broker {
  #process = null;
  #secret = randomBytes(32).toString('hex');
  #directory = mkdtempSync(join(tmpdir(), 'broker-js-'));

  static async start(rules, ...flags) {
    const broker = new Broker();
    const [open, internal] = [await freePort(), await freePort()];
    broker.url = `http://127.0.0.1:${open}`;
    broker.internal = `http://127.0.0.1:${internal}`;
    broker.port = open;
    writeFileSync(join(broker.#directory, 'channels.yaml'), rules);
    broker.flags = [
      ...['--public', `127.0.0.1:${open}`, '--internal', `127.0.0.1:${internal}`],
      ...['--drain-s', '0', ...flags],
    ];
    await broker.up();
    return broker;
  }

  /** Serve, on the same ports and with the same data as before. */
  async up() {
    this.#process = spawn(PYTHON, ['-m', 'broker', 'serve', ...this.flags], {
      cwd: this.#directory,
      env: {
        ...process.env,
        PYTHONPATH: TREE,
        PYTHONUNBUFFERED: '1',
        BROKER_JWT_SECRET: this.#secret,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    await new Promise((resolve, reject) => {
      this.#process.stderr.on('data', (data) => { said = (said + data).slice(-4000); });
      this.#process.stdout.on('data', (data) => (said += data).includes(READY) && resolve());
      this.#process.on('exit', () => reject(new Error(`the broker did not start:\n${said}`)));
    });
  }

  async down(signal = 'SIGTERM') {
    const gone = once(this.#process, 'exit');
    this.#process.kill(signal);
    await gone;
  }

  async close() {
    if (this.#process.exitCode === null && !this.#process.signalCode) await this.down('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Sign a token that the broker believes. */
  token(ttlS = 3600) {
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: '7', jti: crypto.randomUUID(), iat: now, exp: now + ttlS };
    const parts = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) => (
      Buffer.from(JSON.stringify(part)).toString('base64url')
    ));
    const signed = createHmac('sha256', this.#secret).update(parts.join('.')).digest('base64url');
    return [...parts, signed].join('.');
  }

  /** Publish a message; tried again with the same key until it is stored. */
  async publish(channel, message) {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() };
    const request = { method: 'POST', headers, body: JSON.stringify(message) };
    for (let tries = 0; tries < 1000; tries += 1) {
      const response = await fetch(`${this.internal}/publish/${channel}`, request).catch(() => null);
      if (response?.ok) return (await response.json()).messages[0];
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    throw new Error('the message could not be published');
  }

  async revoke(members) {
    const body = JSON.stringify(members);
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(`${this.internal}/revoke`, { method: 'POST', headers, body });
    if (!response.ok) throw new Error(await response.text());
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
