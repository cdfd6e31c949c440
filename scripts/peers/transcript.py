#!/usr/bin/env python3
"""Stands in the place of a peer's Python: notes what a real one answers, or plays it again without one.

    transcript.py record FILE PYTHON ARGUMENT...   hands all on to PYTHON, and adds its answers to FILE
    transcript.py replay FILE ARGUMENT...          answers as FILE says; needs no PyTorch

samebits starts the Python that --python names, so a script of one line stands between. tests/fixtures/peer/torch.json
was made so, from tests/fixtures/peer/workloads.toml (tests/fixtures/peer/README.md). What is noted of a question is
what it asks for and the bytes of its inputs; of an answer its words and the bytes of its outputs. A question that was
not noted, on these very bytes, is answered with an error.
"""

import hashlib
import json
import pathlib
import subprocess
import sys


def told(question):
    """What is set. How many several threads are depends on the machine, and is left out."""
    several = {"threads": "several"} if question["setting"].get("threads", "1") != "1" else {}
    return {"device": question["device"], **question["setting"], **several}


def key(setting, question):
    """What tells a computation from others: all that may change its result."""
    inputs = {name: hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:16]
              for name, path in question["inputs"].items()}
    asked = {name: question[name] for name in ("operation", "way", "shape", "setting")}
    return json.dumps({"set": setting, **asked, "inputs": inputs}, sort_keys=True)


def note(file, entries):
    """Processes of several settings write one after the other: each is asked one question at a time."""
    path = pathlib.Path(file)
    known = json.loads(path.read_text()) if path.exists() else {}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in sorted({**known, **entries}.items()))
    path.write_text(f"{{\n{lines}\n}}\n")


def record(file, command):
    peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    setting, keys = {}, {}
    for line in sys.stdin:
        question = json.loads(line)
        name = key(setting, question) if question["do"] == "prepare" else keys.get(question.get("id"))
        peer.stdin.write(line)
        peer.stdin.flush()
        said = peer.stdout.readline()
        answer = json.loads(said)
        match question["do"]:
            case "hello":
                setting = told(question)
                note(file, {"version": answer["version"]})
            case "prepare":
                keys[question["id"]] = name
                if answer:
                    note(file, {name: answer})
            case "execute" if answer:
                note(file, {name: answer})
            case "execute":
                note(file, {name: {output: pathlib.Path(path).read_bytes().hex()
                                   for output, path in question["outputs"].items()}})
        print(said, end="", flush=True)


def answered(entry):
    """Whether an entry is an answer in words."""
    return "refused" in entry or "error" in entry


def replay(file):
    known, setting, keys = json.loads(pathlib.Path(file).read_text()), {}, {}
    for line in sys.stdin:
        question, answer = json.loads(line), {}
        match question["do"]:
            case "hello":
                setting, answer = told(question), {"version": known["version"]}
            case "prepare":
                name = key(setting, question)
                keys[question["id"]] = name
                if name not in known:
                    answer = {"error": f"no such question was noted: {name}"}
            case "execute":
                entry = known[keys[question["id"]]]
                if answered(entry):
                    answer = entry
                else:
                    for output, path in question["outputs"].items():
                        pathlib.Path(path).write_bytes(bytes.fromhex(entry[output]))
            case "time":
                answer = {"ns": 1000 * question["iterations"]}
        print(json.dumps(answer), flush=True)


def main():
    match sys.argv[1:]:
        case ["record", file, *command]:
            record(file, command)
        case ["replay", file, *_]:
            replay(file)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
