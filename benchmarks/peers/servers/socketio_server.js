// Channels as rooms of Socket.IO: `?channels=<channel>[,<channel>…]`, `POST /publish/<channel>`.

import { Server } from 'socket.io';
import { serve } from './rooms.js';

const server = serve(Number(process.argv[2]), (channel, message) => {
  io.to(channel).emit('message', { channel, message: JSON.parse(message) });
});

const io = new Server(server, { transports: ['websocket'], perMessageDeflate: false });

// Engine.IO answers its own path and leaves the rest to the handler above.
io.on('connection', (socket) => {
  socket.join(socket.handshake.query.channels.split(','));
});
