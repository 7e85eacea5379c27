// The SDK's plug for protocols, with protobufjs in it: both protobuf subprotocols, by a codec that is not ours.

import protobuf from "protobufjs";

export function protobufProtocol(schemaFile, { reliable }) {
  const root = protobuf.loadSync(schemaFile);
  const Upstream = root.lookupType("azure.webpubsub.UpstreamMessage");
  const Downstream = root.lookupType("azure.webpubsub.DownstreamMessage");

  function dataOf(content, dataType) {
    switch (dataType) {
      case "text": return { textData: content };
      case "json": return { jsonData: JSON.stringify(content) };
      case "binary": return { binaryData: new Uint8Array(content) };
      case "protobuf": return { protobufData: { type_url: "type.googleapis.com/t", value: new Uint8Array(content) } };
    }
  }

  function contentOf(data) {
    switch (data.data) {
      case "textData": return ["text", data.textData];
      case "jsonData": return ["json", JSON.parse(data.jsonData)];
      case "binaryData": return ["binary", data.binaryData];
      case "protobufData": return ["protobuf", data.protobufData.value];
    }
  }

  function write(message) {
    const { group, event, ackId } = message;
    switch (message.kind) {
      case "joinGroup": return { joinGroupMessage: { group, ackId } };
      case "leaveGroup": return { leaveGroupMessage: { group, ackId } };
      case "sequenceAck": return { sequenceAckMessage: { sequenceId: message.sequenceId } };
      case "ping": return { pingMessage: {} };
      case "sendEvent": return { eventMessage: { event, ackId, data: dataOf(message.data, message.dataType) } };
      case "sendToGroup":
        return {
          sendToGroupMessage: { group, ackId, noEcho: message.noEcho, data: dataOf(message.data, message.dataType) },
        };
    }
  }

  function read(message) {
    switch (message.message) {
      case "ackMessage": {
        const { ackId, success, error } = message.ackMessage;
        return { kind: "ack", ackId: Number(ackId), success, error };
      }
      case "pongMessage": return { kind: "pong" };
      case "systemMessage": {
        const system = message.systemMessage;
        return system.message === "connectedMessage"
          ? { kind: "connected", ...system.connectedMessage }
          : { kind: "disconnected", message: system.disconnectedMessage.reason };
      }
      case "dataMessage": {
        const { from, group, sequenceId } = message.dataMessage;
        const [dataType, data] = contentOf(message.dataMessage.data);
        const kind = from === "group" ? "groupData" : "serverData";
        return { kind, group, dataType, data, sequenceId: sequenceId == null ? undefined : Number(sequenceId) };
      }
      default: return null;
    }
  }

  return {
    name: reliable ? "protobuf.reliable.webpubsub.azure.v1" : "protobuf.webpubsub.azure.v1",
    isReliableSubProtocol: reliable,
    writeMessage: (message) => Upstream.encode(Upstream.fromObject(write(message))).finish(),
    parseMessages: (input) => read(Downstream.toObject(Downstream.decode(new Uint8Array(input)), { oneofs: true })),
  };
}
