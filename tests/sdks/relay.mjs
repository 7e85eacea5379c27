// A TCP relay between a client and a service, which can lose what is on its way and cut the socket under the client.

import net from "node:net";

export class Relay {
  #sockets = new Set();
  #server;
  deaf = false; // nothing of the service reaches the client
  closed = false; // newcomers are cut at once

  static async to(endpoint) {
    const target = new URL(endpoint);
    const relay = new Relay();
    relay.#server = net.createServer((client) => relay.#join(client, target));
    await new Promise((resolve) => relay.#server.listen(0, "127.0.0.1", resolve));
    relay.endpoint = `http://127.0.0.1:${relay.#server.address().port}`;
    return relay;
  }

  #join(client, target) {
    if (this.closed) {
      client.destroy();
      return;
    }
    const service = net.connect(Number(target.port), target.hostname);
    client.on("data", (data) => service.write(data));
    service.on("data", (data) => this.deaf || client.write(data));
    for (const [socket, other] of [[client, service], [service, client]]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }

  // As a broken network would: no close frame in either direction.
  cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.deaf = false;
  }
}
