"""Writes what jq makes of the cases: `expected.jsonl`, one case a line, in the order of `cases/*.txt`.

It needs PyPI's `jq`, which `make jq` installs. With `--check` it compares and writes nothing.
A case is a filter, ` ;;; ` and an input, which is null when it is left out.
"""

import json
import pathlib
import sys

import jq

FOLDER = pathlib.Path(__file__).parent
EXPECTED = FOLDER / "expected.jsonl"


def cases():
    for file in sorted((FOLDER / "cases").glob("*.txt")):
        for line in file.read_text(encoding="utf-8").split("\n"):
            if line and not line.startswith("## "):
                text, _, given = line.partition(" ;;; ")
                yield text, given or "null"


def run(text, given):
    """The outputs as jq itself writes them: Python's numbers have lost digits."""
    try:
        program = jq.compile(f"({text}\n) | tojson")
    except ValueError:
        return {"refused": True}
    outputs = []
    try:
        for output in program.input_text(given):
            outputs.append(output)
    except ValueError:
        return {"outputs": outputs, "error": True}
    return {"outputs": outputs}


def expected():
    for text, given in cases():
        yield json.dumps({"filter": text, "input": given, **run(text, given)}, ensure_ascii=False)


def main():
    fresh = "".join(line + "\n" for line in expected())
    if "--check" not in sys.argv:
        EXPECTED.write_text(fresh, encoding="utf-8")
        return
    committed = EXPECTED.read_text(encoding="utf-8")
    if fresh != committed:
        pairs = zip(fresh.split("\n"), committed.split("\n"), strict=False)
        sys.exit("jq says now:\n" + "\n".join(new for new, old in pairs if new != old))


main()
