// Node's ws as a tiny service: echoes to simple clients; JSON clients join and publish. Runs until stdin ends.

import { WebSocketServer } from "ws";

const SUBPROTOCOL = "json.webpubsub.azure.v1";
const groups = new Map();
let connections = 0;

const server = new WebSocketServer({
  host: "127.0.0.1", port: 0, handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
});

function take(socket, say, { type, group, dataType, data, ackId }) {
  if (ackId !== undefined) say({ type: "ack", ackId, success: true }); // before the echo: not the emulator's order
  if (type === "joinGroup") {
    groups.set(group, (groups.get(group) ?? new Set()).add(socket));
  } else if (type === "sendToGroup") {
    const text = JSON.stringify({ type: "message", from: "group", group, dataType, data });
    for (const member of groups.get(group) ?? []) member.send(text);
  } else if (type === "event") {
    say({ type: "message", from: "server", dataType, data });
  }
}

server.on("connection", (socket) => {
  if (socket.protocol !== SUBPROTOCOL) {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    return;
  }
  const say = (message) => socket.send(JSON.stringify(message));
  say({ type: "system", event: "connected", connectionId: `c${++connections}`, userId: null });
  socket.on("message", (data) => take(socket, say, JSON.parse(data)));
  socket.on("close", () => groups.forEach((members) => members.delete(socket)));
});
server.on("listening", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.on("end", () => process.exit(0)).resume();
