// The echo in k6: a connection for each virtual user, one message in flight, its round trip in a trend.
import { WebSocket } from "k6/experimental/websockets";
import { Counter, Trend } from "k6/metrics";

const rtt = new Trend("rtt", true);
const echoed = new Counter("echoed");
const seconds = Number(__ENV.SECONDS);

export const options = {
  insecureSkipTLSVerify: true,
  scenarios: {
    echo: { executor: "per-vu-iterations", vus: Number(__ENV.CONNECTIONS), iterations: 1, maxDuration: "10m" },
  },
};

const data = "x".repeat(Number(__ENV.DATA_BYTES));

export default function () {
  const ws = new WebSocket(__ENV.URL, "json.webpubsub.azure.v1");
  const group = `k6-${__VU}`;
  const frame = { type: "sendToGroup", group: group, dataType: "text", data: data };
  let started = 0;
  const publish = () => {
    started = Date.now();
    ws.send(JSON.stringify(frame));
  };
  ws.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "message") {
      rtt.add(Date.now() - started);
      echoed.add(1);
      publish();
    } else if (message.type === "ack") {
      publish();
    } else if (message.event === "connected") {
      ws.send(JSON.stringify({ type: "joinGroup", group: group, ackId: 1 }));
      setTimeout(() => ws.close(), seconds * 1000);
    }
  };
}
