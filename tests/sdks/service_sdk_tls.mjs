// @azure/web-pubsub over TLS, where it takes token credentials: then the service makes the clients' tokens.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { WebSocket } from "ws";
import { Inbox, order, runChecks } from "./harness.mjs";

const { endpoint, key } = await order();

// Stands in for Microsoft Entra ID, which the emulator does not know: a data plane token for one URL.
function credentialFor(url) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ aud: url, exp })}`;
  const token = `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
  return { getToken: async () => ({ token, expiresOnTimestamp: exp * 1000 }) };
}

async function generated() {
  const credential = credentialFor(`${endpoint}/api/hubs/tls/:generateToken`);
  const service = new WebPubSubServiceClient(endpoint, credential, "tls");
  const { url } = await service.getClientAccessToken({
    userId: "u", roles: ["webpubsub.sendToGroup.g"], groups: ["g"], expirationTimeInMinutes: 5,
  });
  assert.match(url, /^wss:/);
  const socket = new WebSocket(url, "json.webpubsub.azure.v1");
  const heard = new Inbox();
  socket.on("message", (data) => heard.put(JSON.parse(data)));
  socket.on("open", () =>
    socket.send(JSON.stringify({ type: "sendToGroup", group: "g", dataType: "text", data: "over TLS", ackId: 1 })),
  );
  const [hello, echo, ack] = await heard.count(3);
  assert.deepEqual([hello.userId, echo.data, ack.success], ["u", "over TLS", true]);
  socket.close();
}

await runChecks({ generated });
