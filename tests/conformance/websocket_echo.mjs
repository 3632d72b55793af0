// How does a WebSocket server answer that judges frames itself and gives back every message?
//
// usage: node websocket_echo.mjs FOLDER PORT
//
// Runs on PORT of this machine with the package `ws` in FOLDER, and with compression.

import { createRequire } from 'node:module'
import path from 'node:path'

const [folder, port] = process.argv.slice(2)
const { WebSocketServer } = createRequire(path.join(folder, 'from-here.js'))('./node_modules/ws')

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(port),
  perMessageDeflate: true,
  // Cases 9.3 and 9.4 send one message in 65,536 fragments.
  maxFragments: 0,
  maxBufferedChunks: 0
})
server.on('connection', socket => {
  // What a case sends wrong ends its connection, not this program.
  socket.on('error', () => {})
  socket.on('message', (message, binary) => socket.send(message, { binary }))
})
