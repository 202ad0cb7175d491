"""Copies a session into PostgreSQL, page by page, from where the table ends: poll.py URL SESSION DATABASE

Whoever stops it may start it again at any time; a server that is gone is waited for.
"""
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

import psycopg2

url, session, database = sys.argv[1:]
token = os.environ["SANDBOX_AGENT_TOKEN"]


def page(offset):
    request = urllib.request.Request(
        f"{url}/v1/sessions/{session}/events?offset={offset}&limit=100&wait=10s",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["events"]


db = psycopg2.connect(database)
ended = False
while not ended:
    with db, db.cursor() as table:
        table.execute("SELECT coalesce(max(sequence), 0) FROM events WHERE session_id = %s", [session])
        (offset,) = table.fetchone()
        try:
            events = page(offset)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            time.sleep(0.02)
            continue
        for event in events:
            table.execute(
                "INSERT INTO events (session_id, sequence, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [session, event["sequence"], json.dumps(event)],
            )
        ended = any(event["type"] == "session.ended" for event in events)
