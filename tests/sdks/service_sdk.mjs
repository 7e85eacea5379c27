// @azure/web-pubsub against the emulator: every method that it has, each check in a hub of its own.

import assert from "node:assert/strict";
import { AzureKeyCredential, WebPubSubServiceClient } from "@azure/web-pubsub";
import { WebSocket } from "ws";
import { Inbox, order, runChecks } from "./harness.mjs";

const HTTP = { allowInsecureConnection: true };
const TEXT = { contentType: "text/plain" };
const { endpoint, key } = await order();

const serviceOf = (hub) => new WebPubSubServiceClient(endpoint, new AzureKeyCredential(key), hub, HTTP);

// A JSON client without an SDK; `heard` are its messages, the first of them is `connected`.
async function join(service, userId, groups = [], roles = []) {
  const { url } = await service.getClientAccessToken({ userId, groups, roles });
  const socket = new WebSocket(url, "json.webpubsub.azure.v1");
  const heard = new Inbox();
  const closed = new Promise((resolve) => socket.on("close", (code) => resolve(code)));
  socket.on("message", (data) => heard.put(JSON.parse(data)));
  const [{ connectionId }] = await heard.count(1);
  return { id: connectionId, heard, closed, send: (message) => socket.send(JSON.stringify(message)) };
}

const dataOf = ({ heard }) => heard.items.filter(({ type }) => type === "message").map(({ data }) => data);
const until = ({ heard }, data) => heard.until((items) => items.at(-1)?.data === data);

async function sends() {
  const service = serviceOf("sends");
  const group = service.group("g/1 ü");
  const [a, b] = [await join(service, "a ä", ["g/1 ü"]), await join(service, "b")];
  await service.sendToAll({ json: [1] });
  await service.sendToAll("text", TEXT);
  await service.sendToAll(new Uint8Array([0, 255]).buffer, { contentType: "application/octet-stream" });
  await service.sendToAll("not b", { ...TEXT, excludedConnections: [b.id, "nobody"] });
  await service.sendToAll("filtered", { ...TEXT, filter: "userId eq 'b' or 'nothing' in groups" });
  await service.sendToAll("ttl", { ...TEXT, messageTtlSeconds: 60 });
  await group.sendToAll("to group", TEXT);
  await group.sendToAll("not a", { ...TEXT, excludedConnections: [a.id] });
  await group.sendToAll("filtered away", { ...TEXT, filter: "userId ne 'a ä'" });
  await service.sendToUser("a ä", "to user", TEXT);
  await service.sendToUser("a ä", "filtered away", { ...TEXT, filter: `connectionId ne '${a.id}'` });
  await service.sendToConnection(b.id, "to connection", TEXT);
  for (const nobody of ["nobody", "x/y"]) {
    await service.sendToUser(nobody, "x", TEXT);
    await service.sendToConnection(nobody, "x", TEXT);
    await service.group(nobody).sendToAll("x", TEXT);
  }
  await service.sendToAll("last", TEXT);
  await Promise.all([until(a, "last"), until(b, "last")]);
  const both = [{ json: [1] }, "text", "AP8="];
  assert.deepEqual(dataOf(a), [...both, "not b", "ttl", "to group", "to user", "last"]);
  assert.deepEqual(dataOf(b), [...both, "filtered", "ttl", "to connection", "last"]);
}

async function groups() {
  const service = serviceOf("groups");
  const [a, b] = [await join(service, "a"), await join(service, "b")];
  const one = service.group("one");
  assert.equal(await service.groupExists("one"), false);
  await one.addConnection(a.id);
  await one.addUser("b");
  assert.equal(await service.groupExists("one"), true);
  const listed = [];
  for await (const member of await one.listConnections({ maxPageSize: 1 })) listed.push(member);
  const members = [{ connectionId: a.id, userId: "a" }, { connectionId: b.id, userId: "b" }];
  members.sort((one, other) => (one.connectionId < other.connectionId ? -1 : 1));
  assert.deepEqual(listed, members); // in order of connection id
  const top = [];
  for await (const member of await one.listConnections({ top: 1 })) top.push(member.userId);
  assert.deepEqual(top, [members[0].userId]);
  await one.removeConnection(a.id);
  await one.removeUser("b");
  assert.equal(await service.groupExists("one"), false);
  await service.addConnectionsToGroups(["one", "two"], "userId eq 'a'");
  await service.removeConnectionsFromGroups(["one"], "userId eq 'a'");
  assert.deepEqual([await service.groupExists("one"), await service.groupExists("two")], [false, true]);
  await service.removeConnectionFromAllGroups(a.id);
  assert.equal(await service.groupExists("two"), false);
  await service.group("three").addUser("b");
  await service.removeUserFromAllGroups("b");
  assert.equal(await service.groupExists("three"), false);
}

async function existence() {
  const service = serviceOf("existence");
  const a = await join(service, "a/1");
  assert.deepEqual(
    [await service.userExists("a/1"), await service.userExists("b"), await service.connectionExists(a.id), await service.connectionExists("b")],
    [true, false, true, false],
  );
}

async function permissions() {
  const service = serviceOf("permissions");
  const a = await join(service, "a");
  const g = { targetName: "g" };
  const has = (target) => service.hasPermission(a.id, "joinLeaveGroup", target);
  assert.equal(await has(g), false);
  await service.grantPermission(a.id, "joinLeaveGroup", g);
  assert.deepEqual([await has({ targetName: "h" }), await has(g)], [false, true]);
  a.send({ type: "joinGroup", group: "g", ackId: 1 });
  assert.equal((await a.heard.count(2))[1].success, true);
  await service.revokePermission(a.id, "joinLeaveGroup", g);
  assert.equal(await has(g), false);
  await assert.rejects(service.grantPermission(a.id, "joinLeaveGroup"), (error) => error.statusCode === 400);
}

async function closes() {
  const service = serviceOf("closes");
  const [a, b, c, d] = [await join(service, "a"), await join(service, "b"), await join(service, "c", ["g"]), await join(service, "d")];
  await service.closeConnection(a.id, { reason: "for a" });
  await service.closeUserConnections("b", { reason: "for b" });
  await service.group("g").closeAllConnections({ reason: "for c" });
  await service.closeAllConnections({ reason: "for d" });
  for (const [client, reason] of [[a, "a"], [b, "b"], [c, "c"], [d, "d"]]) {
    assert.equal(await client.closed, 1000);
    const farewell = client.heard.items.at(-1);
    assert.equal(farewell.event, "disconnected");
    assert.match(farewell.message, new RegExp(`for ${reason}$`));
  }
  await service.closeConnection("nobody");
}

async function tokens() {
  const service = serviceOf("tokens");
  const { token, url, baseUrl } = await service.getClientAccessToken({
    userId: "u", roles: ["webpubsub.sendToGroup.g"], groups: ["g"], expirationTimeInMinutes: 1,
  });
  assert.equal(url, `${baseUrl}?access_token=${token}`);
  const client = await join(service, "u", ["g"], ["webpubsub.sendToGroup.g"]);
  client.send({ type: "sendToGroup", group: "g", dataType: "text", data: "x", ackId: 1 });
  const [hello, echo, ack] = await client.heard.count(3);
  assert.deepEqual([hello.userId, echo.data, echo.fromUserId, ack.success], ["u", "x", "u", true]);
}

async function refusals() {
  const service = serviceOf("refusals");
  const wrongKey = new WebPubSubServiceClient(endpoint, new AzureKeyCredential("wrong".repeat(9)), "refusals", HTTP);
  const refused = (promise, statusCode, code) =>
    assert.rejects(promise, (error) => {
      assert.deepEqual([error.statusCode, error.code ?? error.details?.code], [statusCode, code]);
      return true;
    });
  await refused(wrongKey.sendToAll("x", TEXT), 401, "Error.Unauthorized");
  await refused(service.sendToAll("x", { ...TEXT, filter: "nonsense" }), 400, "Error.BadRequest");
  await refused(service.sendToAll("x", { ...TEXT, messageTtlSeconds: 301 }), 400, "Error.BadRequest");
  await refused(service.sendToAll("x".repeat(2 ** 20 + 1), TEXT), 400, "Error.BadRequest");
  await refused(service.group("g").addConnection("nobody"), 404, "Error.Connection.NotExisted");
  await refused(service.grantPermission("nobody", "sendToGroup", { targetName: "g" }), 404, "Info.Connection.NotExisted");
}

await runChecks({ sends, groups, existence, permissions, closes, tokens, refusals });
