// What both Node servers share: who listens to what, and publishing by POST.

import { createServer } from 'node:http';

/** Subscribers by channel. */
export class Rooms {
  #members = new Map();

  join(channel, member) {
    let members = this.#members.get(channel);
    if (!members) this.#members.set(channel, (members = new Set()));
    members.add(member);
  }

  leave(channel, member) {
    this.#members.get(channel)?.delete(member);
  }

  in(channel) {
    return this.#members.get(channel) ?? [];
  }
}

/** An HTTP server on which `POST /publish/<channel>` hands the body to `publish`. */
export function serve(port, publish) {
  const server = createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      publish(request.url.slice('/publish/'.length), Buffer.concat(pieces).toString());
      response.end('{}');
    });
  });
  server.keepAliveTimeout = 600_000;
  server.requestTimeout = 0;
  server.listen({ port, host: '127.0.0.1', backlog: 4096 });
  return server;
}
