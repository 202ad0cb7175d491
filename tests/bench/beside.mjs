// Drives a server, ours or upstream's, with npm's sandbox-agent@0.4.2 as it is, and says how long each thing took: lines of JSON.
// Arguments: where the packages are, the server's address, a directory, the agent, what to do, how often, how many of what comes in hundreds.

import { createInterface } from "node:readline";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [packages, baseUrl, place, agent, what, often, many] = process.argv.slice(2);
const { SandboxAgent } = await import(pathToFileURL(path.join(packages, "node_modules/sandbox-agent/dist/index.js")));
const rounds = Number(often);
const count = Number(many);
const words = (text) => [{ type: "text", text }];
const say = (name, value) => console.log(JSON.stringify({ name, value }));

const timed = async (name, work) => {
  const began = performance.now();
  const result = await work();
  if (name) say(name, performance.now() - began);
  return result;
};

const repeated = async (name, work, times = 10 * rounds) => {
  // The first ones are the engine's own warming up.
  for (let round = 0; round < Math.max(3, times / 4); round += 1) await work();
  for (let round = 0; round < times; round += 1) await timed(name, work);
};

const connect = async () => {
  const client = await SandboxAgent.connect({ baseUrl });
  await client.getHealth();
  return client;
};

const ended = (prompt) => {
  if (prompt.stopReason !== "end_turn") throw new Error(`a turn ended with ${JSON.stringify(prompt)}`);
};

/** Which numbers of a burst came, and when the last of them did. */
class Burst {
  constructor(size) {
    this.came = new Uint8Array(size);
    this.size = 0;
    this.last = performance.now();
  }

  hear(text, piece = /#(\d+)x/g) {
    for (const [, number] of text.matchAll(piece)) {
      this.size += 1 - this.came[number];
      this.came[number] = 1;
      this.last = performance.now();
    }
  }

  /** Waits until all came, or none any more. */
  async rest() {
    while (this.size < this.came.length && performance.now() - this.last < 2000) await sleep(10);
  }

  say(name, began) {
    say(`${name}: events a second`, this.size / ((this.last - began) / 1000));
    say(`${name}: lost`, this.came.length - this.size);
  }
}

/** A burst that only the SDK's listener takes. */
const heard = async (session) => {
  const burst = new Burst(count);
  const stop = session.onEvent((event) => {
    const text = event.payload.params?.update?.content?.text;
    if (text) burst.hear(text);
  });
  const began = performance.now();
  ended(await session.prompt(words(`burst ${count} 200`)));
  await burst.rest();
  stop();
  burst.say("burst", began);
};

/** A burst that is read from the stream of events without the SDK, which would be slower than either server. */
const read = async () => {
  const url = `${baseUrl}/v1/acp/raw-${process.pid}`;
  let id = 0;
  const post = async (method, params) => {
    id += 1;
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const answer = await fetch(`${url}?agent=${encodeURIComponent(agent)}`, { method: "POST", headers, body });
    const { result, error } = await answer.json();
    if (!result) throw new Error(JSON.stringify(error));
    return result;
  };
  await post("initialize", { protocolVersion: 1, clientCapabilities: {} });
  const { sessionId } = await post("session/new", { cwd: place, mcpServers: [] });
  const leave = new AbortController();
  const stream = await fetch(url, { headers: { accept: "text/event-stream" }, signal: leave.signal });
  let burst = new Burst(0);
  const reading = (async () => {
    let rest = "";
    for await (const piece of stream.body) {
      const text = rest + Buffer.from(piece).toString("latin1");
      // A line may be cut; and what a turn's end repeats of its text does not count.
      const end = text.lastIndexOf("\n") + 1;
      burst.hear(text.slice(0, end), /"text":"#(\d+)x/g);
      rest = text.slice(end);
    }
  })().catch((error) => { if (!leave.signal.aborted) throw error; });
  ended(await post("session/prompt", { sessionId, prompt: words("echo hello") }));
  burst = new Burst(count);
  const began = performance.now();
  ended(await post("session/prompt", { sessionId, prompt: words(`burst ${count} 200`) }));
  await burst.rest();
  burst.say("burst without the SDK", began);
  leave.abort();
  await reading;
};

const sessions = async () => {
  for (let round = 0; round < Math.max(3, rounds / 3); round += 1) {
    const name = round > 0 && "new client, session and first answer";
    await timed(name, async () => {
      const client = await connect();
      const session = await timed(round > 0 && "first session of a client", () => client.createSession({ agent, cwd: place }));
      ended(await timed(round > 0 && "first prompt of a client", () => session.prompt(words("echo hello"))));
    });
  }
  const client = await connect();
  await repeated("another session", () => client.createSession({ agent, cwd: place }), rounds);
  const session = await client.createSession({ agent, cwd: place });
  await repeated("prompt", async () => ended(await session.prompt(words("echo hello"))));
  return session;
};

const files = async () => {
  const client = await connect();
  for (const [name, size] of [["1 kB", 1000], ["1 MB", 1_000_000]]) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => index % 251);
    const file = path.join(place, `file-${size}`);
    await repeated(`write ${name}`, () => client.writeFsFile({ path: file }, bytes));
    await repeated(`read ${name}`, async () => {
      const got = await client.readFsFile({ path: file });
      if (got.length !== size) throw new Error(`${got.length} bytes of ${size}`);
    });
  }
  await repeated("run `true`", async () => {
    const ran = await client.runProcess({ command: "true" });
    if (ran.exitCode !== 0) throw new Error(JSON.stringify(ran));
  });
};

/** Holds many sessions, and waits each time until it was weighed. */
const hold = async () => {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const weighed = async (name) => {
    console.log(JSON.stringify({ weigh: name }));
    await lines.next();
  };
  const client = await connect();
  const made = [];
  for (let at = 0; at < count; at += 1) made.push(await client.createSession({ agent, cwd: place }));
  await weighed("sessions");
  for (const session of made) ended(await session.prompt(words("echo hello")));
  await weighed("sessions that were prompted");
};

if (what === "hold") {
  await hold();
} else {
  if (what === "all") {
    await repeated("connect", connect);
    await files();
  }
  const session = await sessions();
  if (what === "all") {
    await heard(session);
    await read();
  }
}
// Streams that are still open end with this.
process.exit(0);
