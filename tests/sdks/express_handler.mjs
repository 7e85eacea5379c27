// @azure/web-pubsub-express as the event handler: abuse protection, connect, connected, events, states, disconnected.
// Tells where it listens, then waits to be told of a service that calls it.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { WebPubSubEventHandler } from "@azure/web-pubsub-express";
import express from "express";
import { WebSocket } from "ws";
import { Inbox, order, runChecks, tell } from "./harness.mjs";

const { servicePort } = await order(); // handlers name the services that may call them
const events = new Inbox();
const note = (request) => events.put(request);

const answers = {
  reject: (request, response) => response.fail(401, "no entry"),
  broken: (request, response) => response.fail(500, "broken"),
  plain: (request, response) => response.success(),
  stateful: (request, response) => {
    response.setState("visits", 1);
    response.success();
  },
  rename: (request, response) =>
    response.success({
      userId: "renamed", groups: ["given"], roles: ["webpubsub.sendToGroup.given"], subprotocol: request.subprotocols?.[0],
    }),
};

function handlerOf(hub, allowedEndpoints) {
  return new WebPubSubEventHandler(hub, {
    allowedEndpoints,
    handleConnect: (request, response) => {
      note({ kind: "connect", ...request });
      answers[request.queries?.as?.[0] ?? "plain"](request, response);
    },
    handleUserEvent: (request, response) => {
      note({ kind: "event", ...request });
      switch (request.context.eventName) {
        case "count":
          response.setState("visits", (request.context.states.visits ?? 0) + 1);
          response.success(String(request.context.states.visits), "text");
          break;
        case "fail":
          response.fail(400, "not this");
          break;
        case "silent":
          response.success();
          break;
        default:
          response.success(request.dataType === "json" ? JSON.stringify(request.data) : request.data, request.dataType);
      }
    },
    onConnected: (request) => note({ kind: "connected", ...request }),
    onDisconnected: (request) => note({ kind: "disconnected", ...request }),
  });
}

const app = express();
app.use(handlerOf("open").getMiddleware());
app.use(handlerOf("allowed", ["https://elsewhere.example", `http://127.0.0.1:${servicePort}`]).getMiddleware());
app.use(handlerOf("strict", ["https://elsewhere.example"]).getMiddleware());
app.use(new WebPubSubEventHandler("bare").getMiddleware());
const listener = app.listen(0, "127.0.0.1", () => tell({ handler: `http://127.0.0.1:${listener.address().port}` }));

const { endpoint, key } = await order();
const HTTP = { allowInsecureConnection: true };
const serviceOf = (hub) => new WebPubSubServiceClient(`Endpoint=${endpoint};AccessKey=${key};`, hub, HTTP);

async function open(hub, userId, { as, subprotocol = "json.webpubsub.azure.v1", ...token } = {}) {
  const { url } = await serviceOf(hub).getClientAccessToken({ userId, ...token });
  const socket = new WebSocket(as ? `${url}&as=${as}` : url, subprotocol ? [subprotocol] : []);
  const heard = new Inbox();
  socket.on("message", (data, isBinary) => heard.put(isBinary ? data : subprotocol ? JSON.parse(data) : String(data)));
  await new Promise((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("unexpected-response", (request, response) => reject(new Error(`status ${response.statusCode}`)));
    socket.on("error", reject);
  });
  const closed = new Promise((resolve) => socket.on("close", resolve));
  return { heard, closed, socket, send: (message) => socket.send(JSON.stringify(message)) };
}

const of = (userId) => events.items.filter((event) => event.context.userId === userId);
const kinds = (userId) => of(userId).map(({ kind, context }) => (kind === "event" ? context.eventName : kind));

async function life() {
  const client = await open("open", "life", { roles: ["r"], as: "plain" });
  const [{ connectionId }] = await client.heard.count(1);
  await events.until(() => kinds("life").includes("connected"));
  client.send({ type: "event", event: "echo", dataType: "json", data: { a: [1] }, ackId: 1 });
  client.send({ type: "event", event: "echo", dataType: "text", data: "hé" });
  client.send({ type: "event", event: "echo", dataType: "binary", data: "AP8=" });
  client.send({ type: "event", event: "silent", dataType: "text", data: "x", ackId: 2 });
  client.send({ type: "event", event: "fail", dataType: "text", data: "x", ackId: 3 });
  const [, ...received] = await client.heard.count(7);
  assert.deepEqual(
    received.map(({ type, ackId, success, data, error }) => [type, ackId ?? data, success ?? null, error?.name ?? null]),
    [
      ["message", { a: [1] }, null, null],
      ["ack", 1, true, null],
      ["message", "hé", null, null],
      ["message", "AP8=", null, null],
      ["ack", 2, true, null],
      ["ack", 3, false, "InternalServerError"],
    ],
  );
  client.socket.close();
  await events.until(() => kinds("life").includes("disconnected"));
  assert.deepEqual(kinds("life"), ["connect", "connected", "echo", "echo", "echo", "silent", "fail", "disconnected"]);
  const [connect, ...others] = of("life");
  assert.deepEqual(connect.queries.as, ["plain"]);
  assert.deepEqual(connect.subprotocols, ["json.webpubsub.azure.v1"]);
  assert.deepEqual(connect.claims.role, ["r"]);
  assert.equal(connect.context.origin, new URL(endpoint).hostname);
  const signature = `sha256=${createHmac("sha256", key).update(connectionId).digest("hex")}`;
  for (const { context } of [connect, ...others]) {
    assert.deepEqual([context.hub, context.connectionId], ["open", connectionId]);
    assert.ok(context.signature.split(",").includes(signature));
  }
}

async function answersOfConnect() {
  const client = await open("open", "original", { as: "rename", groups: ["of the token"] });
  const [hello] = await client.heard.count(1);
  assert.equal(hello.userId, "renamed");
  client.send({ type: "sendToGroup", group: "given", dataType: "text", data: "x", ackId: 1 });
  client.send({ type: "sendToGroup", group: "other", dataType: "text", data: "x", ackId: 2 });
  const [, echo, ack, refusal] = await client.heard.count(4);
  assert.deepEqual([echo.data, echo.fromUserId, ack.success, refusal.error.name], ["x", "renamed", true, "Forbidden"]);
  await events.until(() => kinds("renamed").includes("connected"));
  client.socket.close();
}

async function states() {
  const client = await open("open", "states", { as: "stateful" });
  for (const ackId of [1, 2]) client.send({ type: "event", event: "count", dataType: "text", data: "x", ackId });
  const [, first, , second] = await client.heard.count(5);
  assert.deepEqual([first.data, second.data], ["2", "3"]);
  client.socket.close();
  await events.until(() => kinds("states").includes("disconnected"));
  assert.deepEqual(of("states").at(-1).context.states, { visits: 3 });
}

async function simple() {
  const client = await open("open", "simple", { subprotocol: null });
  client.socket.send("text");
  client.socket.send(Buffer.from([0, 255]));
  const [text, binary] = await client.heard.count(2);
  assert.deepEqual([text, [...binary]], ["text", [0, 255]]);
  client.socket.close();
}

const rejects = async () => assert.rejects(open("open", "rejected", { as: "reject" }), /status 401/);
const allowsOurEndpoint = async () => (await open("allowed", "allowed")).socket.close();

async function refusesStrangers() {
  await assert.rejects(open("strict", "stranger"), /status 500/);
  assert.deepEqual(of("stranger"), []);
}

// Without handlers of its own the middleware answers everything with an empty 200.
async function bare() {
  const client = await open("bare", "bare");
  client.send({ type: "event", event: "e", dataType: "text", data: "x", ackId: 1 });
  assert.equal((await client.heard.count(2))[1].success, true);
  client.socket.close();
}

await runChecks({ life, answersOfConnect, states, simple, rejects, allowsOurEndpoint, refusesStrangers, bare });
