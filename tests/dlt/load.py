"""The job of `docs/rest.md`, unchanged but for smaller pages, once for each line that the Rust suite sends.

`load` runs it, `end` runs it for the last time; then all rows that DuckDB has are printed as JSON.
"""

import contextlib
import json
import os
import re
import sys
from pathlib import Path

import duckdb

page = (Path(__file__).parents[2] / "docs" / "rest.md").read_text()
job = re.search(r"^```python\n(import os.*?)^```$", page, re.MULTILINE | re.DOTALL).group(1)
assert "PAGE = 1000\n" in job, "the page's job has another size of pages"
job = compile(job.replace("PAGE = 1000\n", "PAGE = 40\n"), "docs/rest.md", "exec")
os.chdir(os.environ["DLT_DATA_DIR"])

for line in sys.stdin:
    with contextlib.redirect_stdout(sys.stderr):
        exec(job, {"__name__": "__main__"})
    if line.strip() == "end":
        break
    print("loaded", flush=True)

with duckdb.connect("resly.duckdb") as db:
    rows = {}
    for table, more in [("conversations", "organization_id"), ("tickets", "status")]:
        found = db.execute(f"SELECT id, epoch_us(updated_at), {more} FROM support.{table} ORDER BY id, updated_at")
        rows[table] = found.fetchall()
print(json.dumps(rows), flush=True)
