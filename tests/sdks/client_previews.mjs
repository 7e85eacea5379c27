// What @azure/web-pubsub-client 1.1.0 has as a preview, against the emulator: streams and invocations, in JSON.

import assert from "node:assert/strict";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { WebPubSubClient, WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol } from "web-pubsub-client-previews";
import { Inbox, order, runChecks } from "./harness.mjs";
import { Relay } from "./relay.mjs";

const ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];
const { endpoint, key } = await order();
const protocols = { json: WebPubSubJsonProtocol(), "json-reliable": WebPubSubJsonReliableProtocol() };
let groups = 0;

// A started client. `through`: a relay; tokens name the host that the client calls.
async function connect(protocol, { through, roles = ROLES } = {}) {
  const issuer = new WebPubSubServiceClient(
    `Endpoint=${through?.endpoint ?? endpoint};AccessKey=${key};Version=1.0;`, "Node", { allowInsecureConnection: true },
  );
  const { url } = await issuer.getClientAccessToken({ roles, userId: "node" });
  const retry = { maxRetries: 3, retryDelayInMs: 20 };
  const client = new WebPubSubClient(url, { protocol: protocols[protocol], messageRetryOptions: retry });
  await client.start();
  return client;
}

// A publisher, and what a subscriber of its group gets of each stream: its fragments, and how it ends.
async function pair(protocol, options) {
  const group = `previews ${++groups}`;
  const [publisher, subscriber] = [await connect(protocol, options), await connect(protocol)];
  await subscriber.joinGroup(group);
  const streams = new Inbox();
  subscriber.onGroupStream(async (stream) => {
    const heard = { fragments: new Inbox(), ends: new Inbox() };
    streams.put(heard);
    try {
      for await (const { data, dataType, fromUserId, stream: info } of stream) {
        heard.fragments.put([info.streamSequenceId, dataType, data?.byteLength === undefined ? data : [...new Uint8Array(data)]]);
        assert.equal(fromUserId, "node");
      }
      heard.ends.put(null);
    } catch (error) {
      heard.ends.put(error);
    }
  });
  return { group, publisher, subscriber, streams };
}

async function streamsFromEndToEnd(protocol) {
  const { group, publisher, streams } = await pair(protocol);
  for (let turn = 1; turn <= 2; turn++) {
    const stream = await publisher.openGroupStream(group);
    await stream.write("hé", "text");
    await stream.write({ a: [1, null] }, "json");
    await stream.write(new Uint8Array([0, 255]).buffer, "binary");
    await stream.end();
    const heard = (await streams.count(turn)).at(-1);
    await heard.ends.count(1);
    assert.equal(heard.ends.items[0], null);
    assert.deepEqual(heard.fragments.items, [[1, "text", "hé"], [2, "json", { a: [1, null] }], [3, "binary", [0, 255]]]);
  }
  publisher.stop();
}

async function streamsOfOneConnectionAtOnce(protocol) {
  const { group, publisher, streams } = await pair(protocol);
  const writers = await Promise.all([1, 2, 3].map(() => publisher.openGroupStream(group)));
  for (const text of ["a", "b"]) await Promise.all(writers.map((writer) => writer.write(text, "text")));
  await Promise.all(writers.map((writer) => writer.end()));
  const all = await streams.count(3);
  await Promise.all(all.map((heard) => heard.ends.count(1)));
  for (const heard of all) assert.deepEqual(heard.fragments.items, [[1, "text", "a"], [2, "text", "b"]]);
  publisher.stop();
}

async function aStreamThatItsPublisherAborts(protocol) {
  const { group, publisher, streams } = await pair(protocol);
  const stream = await publisher.openGroupStream(group);
  await stream.write("x", "text");
  await stream.abort({ message: "no more", userErrorCode: "E1" });
  const [heard] = await streams.count(1);
  const [error] = await heard.ends.count(1);
  assert.match(String(error?.message), /no more/);
  publisher.stop();
}

async function anIdleStream(protocol) {
  const { group, publisher, streams } = await pair(protocol);
  const errors = new Inbox();
  const stream = await publisher.openGroupStream(group, { idleTimeoutInMs: 200 });
  stream.onError((error) => errors.put(error));
  await stream.write("x", "text");
  const [told] = await errors.count(1);
  assert.match(JSON.stringify(told) + String(told?.message), /IdleTimeout|idle/i);
  const [heard] = await streams.count(1);
  const [error] = await heard.ends.count(1);
  assert.notEqual(error, null);
  publisher.stop();
}

async function aStreamThatMayNot(protocol) {
  const client = await connect(protocol, { roles: ["webpubsub.joinLeaveGroup"] });
  await assert.rejects(client.openGroupStream("previews"), /permission/);
  client.stop();
}

async function aStreamOverARecovery(protocol) {
  const relay = await Relay.to(endpoint);
  const { group, publisher, streams } = await pair(protocol, { through: relay });
  const stream = await publisher.openGroupStream(group);
  await stream.write("1", "text");
  const [heard] = await streams.count(1);
  await heard.fragments.count(1);
  relay.deaf = true; // the acks are lost
  await stream.write("2", "text");
  await heard.fragments.count(2);
  relay.cut();
  const rest = [stream.write("3", "text"), stream.write("4", "text")];
  await Promise.all(rest);
  await stream.end();
  await heard.ends.count(1);
  assert.equal(heard.ends.items[0], null);
  assert.deepEqual(heard.fragments.items.map(([number, , text]) => [number, text]), [[1, "1"], [2, "2"], [3, "3"], [4, "4"]]);
  publisher.stop();
}

async function invocations(protocol) {
  const client = await connect(protocol);
  const asked = [["hé", "text"], [{ a: [1, null] }, "json"], [new Uint8Array([0, 255]).buffer, "binary"]];
  const answers = await Promise.all(asked.map(([data, type]) => client.invokeEvent("echo", data, type)));
  answers.forEach(({ data, dataType }, index) => {
    assert.equal(dataType, asked[index][1]);
    const plain = (value) => (value?.byteLength === undefined ? value : [...new Uint8Array(value)]);
    assert.deepEqual(plain(data), plain(asked[index][0]));
  });
  client.stop();
}

const checks = {};
const everywhere = { streamsFromEndToEnd, streamsOfOneConnectionAtOnce, aStreamThatItsPublisherAborts, anIdleStream, aStreamThatMayNot, invocations };
for (const protocol of Object.keys(protocols)) {
  const own = protocol.endsWith("reliable") ? { aStreamOverARecovery } : {};
  for (const [name, check] of Object.entries({ ...everywhere, ...own })) checks[`${name} ${protocol}`] = () => check(protocol);
}
await runChecks(checks);
