// Every method of npm's sandbox-agent@0.4.2 but those of sessions, as it is, against our server.
// Arguments: where the packages are, the server's address, its token, a directory.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [packages, baseUrl, token, place] = process.argv.slice(2);
const require = createRequire(path.join(packages, "package.json"));
const { SandboxAgent } = await import(pathToFileURL(path.join(packages, "node_modules/sandbox-agent/dist/index.js")));
const WebSocket = require("ws");
const connected = await SandboxAgent.connect({ baseUrl, token });
const called = new Set();
const client = new Proxy(connected, {
  get(target, name) {
    called.add(name);
    const value = target[name];
    return typeof value === "function" ? value.bind(target) : value;
  },
});
const at = (...names) => path.join(place, ...names);

const refused = async (promise, status, kind) => {
  const error = await promise.then(() => assert.fail("it was done"), (error) => error);
  assert.equal(error.status, status, String(error));
  assert.equal(error.problem?.type, `urn:sandbox-agent:error:${kind}`);
};

// Files.
const bytes = Uint8Array.from({ length: 5 << 20 }, (_, index) => index % 251);
assert.deepEqual(await client.writeFsFile({ path: at("a/large") }, bytes), { path: at("a/large"), bytesWritten: bytes.length });
assert.deepEqual(await client.readFsFile({ path: at("a/large") }), bytes);
await client.writeFsFile({ path: at("a/text") }, "text");
await client.mkdirFs({ path: at("a/dir") });
const entries = await client.listFsEntries({ path: at("a") });
assert.deepEqual(entries.map((entry) => [entry.name, entry.path, entry.entryType]), [
  ["dir", at("a/dir"), "directory"],
  ["large", at("a/large"), "file"],
  ["text", at("a/text"), "file"],
]);
const stat = await client.statFs({ path: at("a/text") });
assert.deepEqual([stat.path, stat.entryType, stat.size], [at("a/text"), "file", 4]);
assert.ok(Date.parse(stat.modified) > 0);
assert.equal((await client.moveFs({ from: at("a/text"), to: at("b/text") })).to, at("b/text"));
await refused(client.moveFs({ from: at("none"), to: at("b/text"), overwrite: true }), 404, "not_found");
assert.equal(new TextDecoder().decode(await client.readFsFile({ path: at("b/text") })), "text");
const made = spawnSync("tar", ["-cf", "-", "-C", at("a"), "large", "dir"], { maxBuffer: 1 << 30 });
const uploaded = await client.uploadFsBatch(made.stdout, { path: at("c") });
assert.deepEqual([[...uploaded.paths].sort(), uploaded.truncated], [[at("c/dir"), at("c/large")], false]);
assert.deepEqual(new Uint8Array(readFileSync(at("c/large"))), bytes);
assert.equal((await client.deleteFsEntry({ path: at("a"), recursive: true })).path, at("a"));
await refused(client.readFsFile({ path: at("a/large") }), 404, "not_found");

// Processes.
const bounds = await client.getProcessConfig();
assert.deepEqual(await client.setProcessConfig({ ...bounds, maxOutputBytes: 100 }), { ...bounds, maxOutputBytes: 100 });
const ran = await client.runProcess({ command: "sh", args: ["-c", "echo $A; echo b >&2; exit 2"], env: { A: "a" }, cwd: place });
assert.deepEqual([ran.exitCode, ran.stdout, ran.stderr, ran.timedOut, ran.stdoutTruncated], [2, "a\n", "b\n", false, false]);
assert.equal((await client.runProcess({ command: "seq", args: ["1000"] })).stdoutTruncated, true);
await client.setProcessConfig(bounds);
const started = await client.createProcess({ command: "sh", args: ["-c", "echo up; read line; echo got $line; sleep 1000"], cwd: place });
assert.deepEqual([started.status, started.command, started.cwd, started.tty], ["running", "sh", place, false]);
const followed = [];
let heard;
const gone = new Promise((resolve) => { heard = resolve; });
const following = await client.followProcessLogs(started.id, (entry) => {
  followed.push(Buffer.from(entry.data, entry.encoding).toString());
  if (followed.join("").includes("got it")) heard();
});
assert.deepEqual(await client.sendProcessInput(started.id, { data: Buffer.from("it\n").toString("base64"), encoding: "base64" }), { bytesWritten: 3 });
await gone;
const logs = await client.getProcessLogs(started.id, { stream: "stdout", tail: 1 });
assert.deepEqual([logs.processId, logs.stream, logs.entries.length], [started.id, "stdout", 1]);
assert.equal(Buffer.from(logs.entries[0].data, "base64").toString(), "got it\n");
assert.ok((await client.listProcesses({ owner: "user" })).processes.some((one) => one.id === started.id));
assert.equal((await client.getProcess(started.id)).status, "running");
await refused(client.deleteProcess(started.id), 409, "conflict");
assert.equal((await client.stopProcess(started.id, { waitMs: 5000 })).status, "exited");
// It ends because the process has.
await following.closed;
await client.deleteProcess(started.id);
await refused(client.getProcess(started.id), 404, "not_found");

// Terminals.
const shell = await client.createProcess({ command: "sh", args: ["-c", "read line; stty size; echo got $line; read end; exit 3"], tty: true, interactive: true });
assert.ok(client.buildProcessTerminalWebSocketUrl(shell.id).includes(shell.id));
const raw = client.connectProcessTerminalWebSocket(shell.id, { WebSocket });
await new Promise((resolve) => { raw.onopen = resolve; });
raw.close();
const terminal = client.connectProcessTerminal(shell.id, { WebSocket });
let shown = "";
const waiting = [];
const until = (wanted) => new Promise((resolve) => { waiting.push([wanted, resolve]); tell(); });
const tell = () => waiting.forEach(([wanted, resolve]) => shown.includes(wanted) && resolve());
terminal.onData((data) => { shown += Buffer.from(data).toString(); tell(); });
const ended = new Promise((resolve) => terminal.onExit(resolve));
assert.equal((await new Promise((resolve) => terminal.onReady(resolve))).processId, shell.id);
assert.deepEqual(await client.resizeProcessTerminal(shell.id, { cols: 100, rows: 40 }), { cols: 100, rows: 40 });
terminal.sendInput("it\r");
await until("got it");
assert.ok(shown.includes("40 100"), shown);
terminal.sendInput(new TextEncoder().encode("end\r"));
assert.equal((await ended).exitCode, 3);
await terminal.closed;
await refused(client.resizeProcessTerminal(started.id, { cols: 1, rows: 1 }), 404, "not_found");
const killed = await client.createProcess({ command: "sleep", args: ["1000"] });
assert.equal((await client.killProcess(killed.id, { waitMs: 1000 })).status, "exited");

// Configuration.
const directory = at("project");
mkdirSync(directory);
const server = { type: "local", command: "true", args: ["a"], env: { B: "c" } };
const remote = { type: "remote", url: "https://example.test/mcp", bearerTokenEnvVar: "TOKEN", enabled: false };
await refused(client.getMcpConfig({ directory, mcpName: "one" }), 404, "not_found");
await client.setMcpConfig({ directory, mcpName: "one" }, server);
await client.setMcpConfig({ directory, mcpName: "two" }, remote);
assert.deepEqual(await client.getMcpConfig({ directory, mcpName: "one" }), server);
assert.deepEqual(await client.getMcpConfig({ directory, mcpName: "two" }), remote);
await client.deleteMcpConfig({ directory, mcpName: "one" });
await refused(client.getMcpConfig({ directory, mcpName: "one" }), 404, "not_found");
const skills = { sources: [{ type: "local", source: "skills", skills: ["greet"] }] };
mkdirSync(at("project/skills/greet"), { recursive: true });
writeFileSync(at("project/skills/greet/SKILL.md"), "---\nname: greet\ndescription: Greets.\n---\n");
await client.setSkillsConfig({ directory, skillName: "greet" }, skills);
assert.deepEqual(await client.getSkillsConfig({ directory, skillName: "greet" }), skills);
await client.deleteSkillsConfig({ directory, skillName: "greet" });
await refused(client.getSkillsConfig({ directory, skillName: "greet" }), 404, "not_found");

// Agents.
assert.ok((await client.listAgents()).agents.some((one) => one.id === "mock" && one.installed));
assert.equal((await client.getAgent("mock", { config: true })).id, "mock");
assert.equal((await client.installAgent("mock")).already_installed, true);
assert.equal((await client.getHealth()).status, "ok");

// A desktop.
assert.equal((await client.getDesktopStatus()).state, "inactive");
await refused(client.takeDesktopScreenshot(), 409, "desktop_runtime_inactive");
const desktop = await client.startDesktop({ width: 640, height: 480 });
assert.deepEqual([desktop.state, desktop.resolution.width], ["active", 640]);
assert.equal((await client.getDesktopDisplayInfo()).resolution.height, 480);
const film = await client.startDesktopRecording({ fps: 10 });
const app = { app: "xterm", args: ["-T", "one", "-e", "sh", "-c", `stty raw -echo; cat > ${at("typed")}`], wait: true };
const launched = await client.launchDesktopApp(app);
const [shownWindow] = (await client.listDesktopWindows()).windows;
assert.deepEqual([shownWindow.id, shownWindow.title], [launched.windowId, "one"]);
assert.equal((await client.focusDesktopWindow(launched.windowId)).isActive, true);
assert.equal((await client.getDesktopFocusedWindow()).id, launched.windowId);
assert.ok((await client.moveDesktopWindow(launched.windowId, { x: 30, y: 40 })).x >= 30);
assert.ok((await client.resizeDesktopWindow(launched.windowId, { width: 300, height: 200 })).width <= 300);
await client.typeDesktopText({ text: "é✓" });
await client.pressDesktopKey({ key: "b", modifiers: { ctrl: true } });
await client.keyDownDesktop({ key: "c" });
await client.keyUpDesktop({ key: "c" });
const wanted = Buffer.from("é✓\u0002c");
while (!existsSync(at("typed")) || statSync(at("typed")).size < wanted.length) await sleep(20);
assert.deepEqual(readFileSync(at("typed")), wanted);
const point = ({ x, y }) => [x, y];
assert.deepEqual(point(await client.moveDesktopMouse({ x: 50, y: 60 })), [50, 60]);
assert.deepEqual(point(await client.getDesktopMousePosition()), [50, 60]);
assert.deepEqual(point(await client.clickDesktop({ x: 600, y: 400, button: "left" })), [600, 400]);
for (const told of [
  await client.mouseDownDesktop({ x: 610, y: 410 }),
  await client.mouseUpDesktop({ x: 610, y: 410 }),
  await client.dragDesktopMouse({ startX: 600, startY: 400, endX: 620, endY: 420 }),
  await client.scrollDesktop({ x: 600, y: 400, deltaY: 1 }),
]) {
  assert.ok(point(told).every(Number.isInteger), JSON.stringify(told));
}
const begins = (bytes, ...wanted) => assert.deepEqual([...bytes.slice(0, wanted.length)], wanted);
begins(await client.takeDesktopScreenshot(), 0x89, 0x50, 0x4e, 0x47);
begins(await client.takeDesktopRegionScreenshot({ x: 1, y: 2, width: 30, height: 20, format: "jpeg" }), 0xff, 0xd8);
await client.setDesktopClipboard({ text: "kept ✓" });
assert.equal((await client.getDesktopClipboard()).text, "kept ✓");
assert.ok((await client.openDesktopTarget({ target: place })).processId);
assert.equal((await client.startDesktopStream()).active, true);
assert.equal((await client.getDesktopStreamStatus()).active, true);
assert.equal((await client.stopDesktopStream()).active, false);
// The live view is a page of its own, not WebRTC: whoever asks for that is refused.
assert.ok(client.buildDesktopStreamWebSocketUrl().startsWith("ws"));
const none = client.connectDesktopStreamWebSocket({ WebSocket });
assert.match(await new Promise((resolve) => { none.onerror = (event) => resolve(event.message); }), /40[14]/);
const stream = client.connectDesktopStream({ WebSocket });
assert.ok(await new Promise((resolve) => stream.onError(resolve)));
stream.close();
while (!(await client.downloadDesktopRecording(film.id).then((bytes) => bytes.length > 0, () => false))) await sleep(20);
assert.equal((await client.stopDesktopRecording()).id, film.id);
assert.deepEqual((await client.listDesktopRecordings()).recordings.map((one) => one.id), [film.id]);
assert.equal((await client.getDesktopRecording(film.id)).status, "completed");
begins((await client.downloadDesktopRecording(film.id)).slice(4), ...Buffer.from("ftyp"));
await client.deleteDesktopRecording(film.id);
await refused(client.getDesktopRecording(film.id), 404, "not_found");
assert.equal((await client.stopDesktop()).state, "inactive");
await client.dispose();

// Nothing of it is left out: what concerns sessions is called by tests/acp/sdk.mjs.
const types = readFileSync(path.join(packages, "node_modules/sandbox-agent/dist/index.d.ts"), "utf8");
const [, body] = /declare class SandboxAgent \{([^]*?)\n\}/.exec(types);
const methods = [...body.matchAll(/^    (?!private|static|constructor|readonly)(?:get )?(\w+)[(]/gm)].map(([, name]) => name);
assert.ok(methods.length > 90, String(methods.length));
const ofSessions = /Session|Permission|sandbox|Sandbox|^inspectorUrl|AcpServers|getEvents/;
assert.deepEqual(methods.filter((name) => !called.has(name) && !ofSessions.test(name)), []);
console.log("done");
