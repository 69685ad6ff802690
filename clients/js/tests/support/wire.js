/** A wire between client and broker that can be cut, stalled, and told what not to let pass. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Wire {
  #server;
  #pairs = new Set();
  #refused = [];
  stalled = false;

  /** Pieces that clients sent behind their requests. */
  said = 0;

  static async to(port) {
    const wire = new Wire();
    wire.#server = createServer((client) => wire.#join(client, port)).listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    wire.url = `http://127.0.0.1:${wire.#server.address().port}`;
    wire.requests = [];
    return wire;
  }

  /** Answer requests that begin so with 400, as a proxy that does not know them. */
  refuse(...beginnings) {
    this.#refused = beginnings;
  }

  /** Cut every connection. */
  cut() {
    for (const [client, broker] of this.#pairs) {
      client.resetAndDestroy();
      broker.destroy();
    }
  }

  async close() {
    this.cut();
    this.#server.close();
  }

  #join(client, port) {
    const broker = connect(port, '127.0.0.1');
    const pair = [client, broker];
    this.#pairs.add(pair);
    client.on('data', (data) => {
      const line = data.toString('latin1').split(' HTTP/')[0];
      if (line.startsWith('GET ')) this.requests.push(line.slice(4));
      else this.said += 1;
      if (this.#refused.some((beginning) => line.startsWith(`GET ${beginning}`))) {
        client.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      } else if (!this.stalled) broker.write(data);
    });
    broker.on('data', (data) => this.stalled || client.write(data));
    for (const [one, other] of [pair, [broker, client]]) {
      one.on('error', () => {});
      one.on('close', () => {
        this.#pairs.delete(pair);
        other.destroy();
      });
    }
  }
}
