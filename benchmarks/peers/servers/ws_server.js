// Channels on ws: `GET /subscribe/<channel>[,<channel>…]`, `POST /publish/<channel>`.

import { WebSocketServer } from 'ws';
import { Rooms, serve } from './rooms.js';

const rooms = new Rooms();

const server = serve(Number(process.argv[2]), (channel, message) => {
  const data = Buffer.from(`{"channel":"${channel}","message":${message}}`);
  for (const member of rooms.in(channel)) member.send(data, { binary: false });
});

new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket, request) => {
  const channels = request.url.slice('/subscribe/'.length).split(',');
  for (const channel of channels) rooms.join(channel, socket);
  socket.on('close', () => {
    for (const channel of channels) rooms.leave(channel, socket);
  });
});
