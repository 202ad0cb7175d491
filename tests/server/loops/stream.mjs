// Copies a session into PostgreSQL as it goes, from where the table ends: stream.mjs URL SESSION DATABASE
//
// Whoever stops it may start it again at any time; a server that is gone is waited for.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const [url, session, database] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${process.env.SANDBOX_AGENT_TOKEN}` };

const db = new pg.Client(database);
await db.connect();

// What the flow brings, event by event; it ends where the server does.
async function* flow(offset) {
  const response = await fetch(`${url}/v1/sessions/${session}/events/sse?offset=${offset}`, { headers });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = pieces.pop();
    for (const piece of pieces) {
      const data = piece.split("\n").find((line) => line.startsWith("data:"));
      if (data) yield JSON.parse(data.slice(5));
    }
  }
}

async function copy() {
  const { rows } = await db.query("SELECT coalesce(max(sequence), 0)::int AS last FROM events WHERE session_id = $1", [session]);
  for await (const event of flow(rows[0].last)) {
    await db.query("INSERT INTO events (session_id, sequence, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", [session, event.sequence, event]);
    if (event.type === "session.ended") return true;
  }
  return false;
}

for (;;) {
  try {
    if (await copy()) break;
  } catch (error) {
    // `fetch` says so where nobody listens, and where who did is gone.
    if (!(error instanceof TypeError)) throw error;
  }
  await sleep(20);
}
await db.end();
