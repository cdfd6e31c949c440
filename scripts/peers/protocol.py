"""What every peer shares: samebits starts Python with this file and the peer's own behind it as one program.

samebits speaks JSON, a line per question and answer, and hands arrays over as files, inputs as .npy, outputs raw:

    {"do": "hello", "device", "setting": {key: value}, "l2_bytes"}  -> {"version": ...}
    {"do": "prepare", "id", "operation", "way", "shape", "setting", "inputs": {name: file}}  -> {}
    {"do": "execute", "id", "outputs": {name: file}}  -> {}
    {"do": "time", "id", "iterations", "cache"}  -> {"ns": ...}, the asking left out
    {"do": "forget", "id"}                       -> {}

An answer {"error": ...} is one line for the user; {"refused": ...} says in the library's own words what it will not do.
"""

import ast
import json
import os
import signal
import sys


# Whatever a library prints goes where complaints go, and not among the answers.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


class Refused(Exception):
    """The library will not do it, under this setting or at all: no failure."""


class Missing(Exception):
    """What the user has to mend; told as it is."""


def pairs(text):
    """key=value;key=value as a dictionary."""
    return dict(part.split("=", 1) for part in text.split(";") if part)


def read_npy(path):
    """The type of a file's elements, as numpy writes it, and their bytes; without numpy."""
    with open(path, "rb") as file:
        magic, length = file.read(8), int.from_bytes(file.read(2), "little")
        if magic != b"\x93NUMPY\x01\x00":
            raise ValueError("an input is no .npy file of version 1.0")
        return ast.literal_eval(file.read(length).decode("latin1"))["descr"], file.read()


def one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())


def serve(hello, prepare):
    """Answers until there are no more questions. `prepare` gives what has execute(files) and time(iterations, cache)."""
    # Ctrl-C belongs to samebits, which ends this program when it has kept its rows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepared = {}

    def answer(question):
        match question["do"]:
            case "hello":
                return {"version": hello(question)}
            case "prepare":
                prepared[question["id"]] = prepare(question)
            case "execute":
                prepared[question["id"]].execute(question["outputs"])
            case "time":
                return {"ns": prepared[question["id"]].time(question["iterations"], question["cache"])}
            case "forget":
                prepared.pop(question["id"], None)
            case other:
                return {"error": f"unknown question {other}"}
        return {}

    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Refused as refusal:
            said = {"refused": " ".join(str(refusal).split())}
        except Missing as missing:
            said = {"error": str(missing)}
        except Exception as error:  # Whatever it is, it is an answer.
            said = {"error": one_line(error)}
        print(json.dumps(said), file=ANSWERS, flush=True)
