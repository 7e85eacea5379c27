// @azure/web-pubsub-client against the emulator: joins, every kind of data, recoveries with the socket cut under it.

import assert from "node:assert/strict";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { WebPubSubClient, WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol } from "@azure/web-pubsub-client";
import { Inbox, order, runChecks } from "./harness.mjs";
import { protobufProtocol } from "./protobuf_protocol.mjs";
import { Relay } from "./relay.mjs";

const ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];
const HTTP = { allowInsecureConnection: true };
const { endpoint, key, schema, negotiate } = await order();
let groups = 0;

const protocols = {
  json: WebPubSubJsonProtocol(),
  "json-reliable": WebPubSubJsonReliableProtocol(),
  protobuf: protobufProtocol(schema, { reliable: false }),
  "protobuf-reliable": protobufProtocol(schema, { reliable: true }),
};
const service = serviceAt(endpoint);

function serviceAt(url) {
  return new WebPubSubServiceClient(`Endpoint=${url};AccessKey=${key};Version=1.0;`, "Node", HTTP);
}

// A started client and what it hears. `through`: a relay; tokens name the host that the client calls.
async function connect(protocol, { through, roles = ROLES, credential, ...options } = {}) {
  const issuer = through ? serviceAt(through.endpoint) : service;
  const url = credential ?? (await issuer.getClientAccessToken({ roles, userId: "node", expirationTimeInMinutes: 5 })).url;
  const retry = { maxRetries: 100, retryDelayInMs: 20 };
  const client = new WebPubSubClient(url, {
    protocol: protocols[protocol], messageRetryOptions: retry, reconnectRetryOptions: retry, ...options,
  });
  const heard = { messages: new Inbox(), connected: new Inbox(), disconnected: new Inbox(), stopped: new Inbox() };
  client.on("group-message", ({ message }) => heard.messages.put(message));
  client.on("server-message", ({ message }) => heard.messages.put(message));
  client.on("connected", (event) => heard.connected.put(event));
  client.on("disconnected", (event) => heard.disconnected.put(event));
  client.on("stopped", (event) => heard.stopped.put(event));
  await client.start();
  await heard.connected.count(1);
  return { client, ...heard };
}

const texts = (messages) => messages.items.map((message) => message.data);
const bytes = (...values) => new Uint8Array(values).buffer;
const newGroup = () => `group ${++groups}/ü`;

async function everyKindOfData(protocol) {
  const group = newGroup();
  const { client, messages, connected, stopped } = await connect(protocol);
  assert.equal(connected.items[0].userId, "node");
  assert.equal((await client.joinGroup(group)).isDuplicated, false);
  const sent = [
    ["hé", "text"], [{ a: [1, null, "x"] }, "json"], [bytes(0, 255, 1), "binary"], [bytes(10, 1, 97), "protobuf"],
  ];
  for (const [data, type] of sent) await client.sendToGroup(group, data, type);
  for (const [data, type] of sent) await client.sendEvent("echo", data, type);
  const received = (await messages.count(8)).map(({ kind, data, dataType }) => [kind, dataType, data]);
  // JSON reaches protobuf clients as text
  const plain = (data, type) =>
    typeof data === "string" && type === "json" ? JSON.parse(data) : data?.byteLength === undefined ? data : [...new Uint8Array(data)];
  const kindOf = (type) => (type === "json" && protocol.startsWith("protobuf") ? "text" : type);
  const expected = ["groupData", "serverData"].flatMap((kind) =>
    sent.map(([data, type]) => [kind, kindOf(type), plain(data)]),
  );
  const shown = received.map(([kind, type, data], index) => [kind, type, plain(data, sent[index % 4][1])]);
  assert.deepEqual(shown.map(JSON.stringify).sort(), expected.map(JSON.stringify).sort());
  await client.leaveGroup(group);
  await client.sendToGroup(group, "nobody hears it", "text");
  assert.equal(messages.items.length, 8);
  client.stop();
  await stopped.count(1);
}

async function flags(protocol) {
  const group = newGroup();
  const [a, b] = [await connect(protocol), await connect(protocol)];
  await Promise.all([a.client.joinGroup(group), b.client.joinGroup(group)]);
  await a.client.sendToGroup(group, "others only", "text", { noEcho: true });
  await a.client.sendToGroup(group, "no ack", "text", { fireAndForget: true });
  assert.deepEqual(await a.client.sendToGroup(group, "once", "text", { ackId: 1000 }), { ackId: 1000, isDuplicated: false });
  assert.deepEqual(await a.client.sendToGroup(group, "once", "text", { ackId: 1000 }), { ackId: 1000, isDuplicated: true });
  await a.client.sendToGroup(group, "last", "text");
  await b.messages.until((items) => items.at(-1)?.data === "last");
  assert.deepEqual(texts(b.messages), ["others only", "no ack", "once", "last"]);
  assert.deepEqual(texts(a.messages), ["no ack", "once", "last"]);
  a.client.stop();
  b.client.stop();
}

async function mayNot(protocol) {
  const { client } = await connect(protocol, { roles: [], messageRetryOptions: { maxRetries: 0 } });
  for (const attempt of [client.joinGroup("g"), client.sendToGroup("g", "x", "text")]) {
    await assert.rejects(attempt, (error) => error.errorDetail.name === "Forbidden");
  }
  client.stop();
}

// Replays are dropped by the SDK, messages of the meantime come, the identity and the membership stay.
async function recovers(protocol) {
  const group = newGroup();
  const relay = await Relay.to(endpoint);
  const { client, messages, connected, disconnected } = await connect(protocol, { through: relay });
  const { connectionId } = connected.items[0];
  await client.joinGroup(group);
  const send = (text) => service.group(group).sendToAll(text, { contentType: "text/plain" });
  for (let round = 0; round < 3; round += 1) {
    await send(`before ${round}`);
    await messages.until((items) => items.at(-1)?.data === `before ${round}`);
    relay.cut();
    await send(`meanwhile ${round}`);
    await messages.until((items) => items.at(-1)?.data === `meanwhile ${round}`);
  }
  await client.sendToGroup(group, "after", "text");
  await messages.until((items) => items.at(-1)?.data === "after");
  const expected = [0, 1, 2].flatMap((round) => [`before ${round}`, `meanwhile ${round}`]);
  assert.deepEqual(texts(messages), [...expected, "after"]);
  assert.ok(await service.connectionExists(connectionId));
  assert.equal(connected.items.length, 1);
  assert.equal(disconnected.items.length, 0);
  client.stop();
}

// The publication arrives, its ack does not: said again under the same id it is a duplicate, and done once.
async function lostAck(protocol) {
  const group = newGroup();
  const relay = await Relay.to(endpoint);
  const [sender, other] = [await connect(protocol, { through: relay }), await connect(protocol)];
  await Promise.all([sender.client.joinGroup(group), other.client.joinGroup(group)]);
  relay.deaf = true;
  const sent = sender.client.sendToGroup(group, "once", "text", { ackId: 4711 });
  await other.messages.count(1);
  relay.cut();
  assert.deepEqual(await sent, { ackId: 4711, isDuplicated: true });
  await sender.client.sendToGroup(group, "last", "text");
  for (const { messages } of [sender, other]) {
    await messages.until((items) => items.at(-1)?.data === "last");
    assert.deepEqual(texts(messages), ["once", "last"]);
  }
  sender.client.stop();
  other.client.stop();
}

// What the service has given up is 1008 to the SDK: it starts anew and joins its groups again.
async function gone(protocol) {
  const group = newGroup();
  const relay = await Relay.to(endpoint);
  const { client, messages, connected, disconnected } = await connect(protocol, { through: relay });
  await client.joinGroup(group);
  relay.closed = true;
  relay.cut();
  await service.closeConnection(connected.items[0].connectionId, { reason: "enough" });
  relay.closed = false;
  await disconnected.count(1);
  await connected.count(2);
  const [first, second] = connected.items;
  assert.notEqual(first.connectionId, second.connectionId);
  await client.sendToGroup(group, "again", "text");
  await messages.until((items) => items.at(-1)?.data === "again");
  client.stop();
}

async function withoutRecovery(protocol) {
  const relay = await Relay.to(endpoint);
  const { client, connected, disconnected } = await connect(protocol, { through: relay });
  relay.cut();
  await disconnected.count(1);
  await connected.count(2);
  assert.notEqual(connected.items[0].connectionId, connected.items[1].connectionId);
  client.stop();
}

async function isTold(protocol) {
  const { client, connected, disconnected, stopped } = await connect(protocol, { autoReconnect: false });
  await service.closeConnection(connected.items[0].connectionId, { reason: "enough" });
  await stopped.count(1);
  assert.match(disconnected.items[0].message.message, /Reason: enough/);
  client.stop();
}

async function wrongToken(protocol) {
  const url = new URL((await service.getClientAccessToken()).url);
  const [head, body] = url.searchParams.get("access_token").split(".");
  url.searchParams.set("access_token", `${head}.${body}.x`);
  await assert.rejects(connect(protocol, { credential: String(url) }));
}

async function negotiated(protocol) {
  const credential = {
    getClientAccessUrl: async () => (await (await fetch(`${negotiate}?hub=Node&id=someone`)).json()).url,
  };
  const { client, connected, messages } = await connect(protocol, { credential });
  assert.equal(connected.items[0].userId, "someone");
  await client.joinGroup("negotiated");
  await client.sendToGroup("negotiated", "x", "text");
  await messages.count(1);
  client.stop();
}

const everywhere = { everyKindOfData, flags, mayNot, isTold };
const reliable = { recovers, lostAck, gone };
const checks = {};
for (const protocol of Object.keys(protocols)) {
  const own = protocol.endsWith("reliable") ? reliable : { withoutRecovery };
  for (const [name, check] of Object.entries({ ...everywhere, ...own })) {
    checks[`${name} ${protocol}`] = () => check(protocol);
  }
}
checks["wrongToken json"] = () => wrongToken("json");
checks["negotiated json"] = () => negotiated("json");
await runChecks(checks);
