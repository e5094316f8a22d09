// ws on Node, with its native helper for masks, and protobufjs, whose encoders and decoders
// are generated when the .proto files are loaded. The same work as in `peers/common.py`.
"use strict";

const path = require("node:path");
const protobuf = require("protobufjs");
const { WebSocketServer } = require("ws");

const root = new protobuf.Root();
const top = path.resolve(__dirname, "../../../..");
root.resolvePath = (_, target) => path.join(top, target);
root.loadSync(["rpc/proto/frames.proto", "bench/compare/proto/payload.proto"]);

const frames = (name) => root.lookupType("sunwire.v1." + name);
const payload = (name) => root.lookupType("sunwire.bench.v1." + name);
const ClientBatch = frames("ClientBatch");
const ServerBatch = frames("ServerBatch");

const batching = process.argv.includes("--batch");
const rooms = new Map(); // room -> set of members
const answers = new Map(); // member -> messages that wait for the end of the turn
const news = new Map(); // room -> publications that do
let flushing = false;

const BINARY = { binary: true };

function encode(frame) {
  return ServerBatch.encode({ frames: [frame] }).finish();
}

function keep(waiting, key, data) {
  const list = waiting.get(key);
  if (list) list.push(data);
  else waiting.set(key, [data]);
  if (!flushing) {
    flushing = true;
    setImmediate(flush);
  }
}

function flush() {
  flushing = false;
  for (const [room, publications] of news) tell(room, Buffer.concat(publications));
  news.clear();
  for (const [member, list] of answers) member.socket.send(Buffer.concat(list), BINARY);
  answers.clear();
}

function tell(room, data) {
  for (const member of rooms.get(room) ?? []) member.socket.send(data, BINARY);
}

function send(member, data) {
  if (batching) keep(answers, member, data);
  else member.socket.send(data, BINARY);
}

const echo = (_, request) => ({ number: request.number, text: request.text });

function publish(member, request) {
  const room = Number(request.roomId);
  const broadcast = { roomId: request.roomId, userId: member.userId, payload: request.payload };
  const data = encode({ signal: { broadcast } });
  if (batching) keep(news, room, data);
  else tell(room, data);
  return {};
}

const echoing = { request: payload("EchoRequest"), answer: payload("EchoResponse"), handler: echo };
const methods = new Map([
  ["Bench.Echo", echoing],
  [
    "Bench.EchoAwait",
    {
      ...echoing,
      handler: async (member, request) => {
        await null;
        return echo(member, request);
      },
    },
  ],
  [
    "Bench.Publish",
    {
      request: payload("PublishRequest"),
      answer: payload("PublishResponse"),
      handler: publish,
    },
  ],
]);

function call(member, { id, method: name, payload: bytes }) {
  const method = methods.get(name);
  if (!method) {
    send(member, encode({ failure: { id, code: 2, message: "no such method" } }));
    return;
  }
  const outcome = method.handler(member, method.request.decode(bytes));
  if (outcome instanceof Promise) outcome.then((answer) => result(member, id, method, answer));
  else result(member, id, method, outcome);
}

function result(member, id, method, answer) {
  send(member, encode({ result: { id, payload: method.answer.encode(answer).finish() } }));
}

function hello(member, said) {
  const [user, list] = said.token.split(":");
  member.userId = Number(user);
  member.rooms = list ? list.split(",").map(Number) : [];
  for (const room of member.rooms) {
    if (!rooms.has(room)) rooms.set(room, new Set());
    rooms.get(room).add(member);
  }
  send(member, encode({ welcome: { userId: member.userId, sessionId: member.userId } }));
  if (said.cursor.length) send(member, encode({ caughtUp: {} }));
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  backlog: 4096,
  perMessageDeflate: false,
});
server.on("connection", (socket) => {
  const member = { socket, userId: 0, rooms: [] };
  socket.on("message", (data) => {
    for (const frame of ClientBatch.decode(data).frames) {
      if (frame.call) call(member, frame.call);
      else if (frame.hello) hello(member, frame.hello);
    }
  });
  socket.on("error", () => {}); // a reset is the peer's affair
  socket.on("close", () => {
    for (const room of member.rooms) rooms.get(room).delete(member);
  });
});
server.on("listening", () => {
  console.log(JSON.stringify({ event: "serving", port: server.address().port }));
});
