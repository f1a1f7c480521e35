"""PostgREST's client from PyPI against a running server, as the Rust suite starts it."""

import json
import os
import urllib.request

from postgrest import APIError, SyncPostgrestClient

URL = os.environ["RESLY_URL"]
ADMIN = os.environ["RESLY_ADMIN_KEY"]


def data_key():
    request = urllib.request.Request(
        f"{URL}/api/admin/keys",
        data=json.dumps({"name": "python", "scopes": ["data:write"]}).encode(),
        headers={"authorization": f"Bearer {ADMIN}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["key"]


KEY = data_key()
db = SyncPostgrestClient(f"{URL}/rest/v1", headers={"apikey": KEY, "Authorization": f"Bearer {KEY}"})

made = db.from_("tickets").insert([{"subject": "P one", "body": "b"}, {"subject": "P two", "body": "b"}]).execute()
assert [row["status"] for row in made.data] == ["open", "open"], made

found = db.from_("tickets").select("subject", count="exact").like("subject", "P %").order("subject", desc=True).limit(1).execute()
assert (found.data, found.count) == ([{"subject": "P two"}], 2), found

embedded = db.from_("tickets").select("subject, conversations(id, messages(count))").in_("subject", ["P one"]).single().execute()
assert embedded.data == {"subject": "P one", "conversations": None}, embedded

updated = db.from_("tickets").update({"status": "resolved"}).eq("subject", "P one").execute()
assert updated.data[0]["status"] == "resolved", updated

visitor = db.from_("visitors").upsert({"external_id": "p-anna"}, on_conflict="external_id").execute()
assert visitor.data[0]["external_id"] == "p-anna", visitor

removed = db.from_("tickets").delete().like("subject", "P %").execute()
assert len(removed.data) == 2, removed

try:
    db.from_("nothing").select("*").execute()
except APIError as error:
    assert error.code == "PGRST205", error
else:
    raise AssertionError("there is no such table")

print("ok")
