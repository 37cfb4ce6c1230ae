"""A component host that knows nothing of sirocco: wasmtime, from PyPI.

usage: host.py <component> <questions>
Questions are a JSON list of {model, context, limit, how: "prompt" | "chat", text}; each gets an instance of
its own. Prints a JSON list: what was loaded, the prompt's length, tokens, text, or the failure.
"""

import json
import sys

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker, Variant


class Failure(Exception):
    """What the component reported."""


def answer(engine, component, question):
    store = Store(engine)
    # No imports are defined: the component must not need any.
    instance = Linker(engine).instantiate(store, component)
    interface = instance.get_export_index(store, "sirocco:engine/engine@0.1.0")

    def call(name, *arguments):
        index = instance.get_export_index(store, name, interface)
        result = instance.get_func(store, index)(store, *arguments)
        # wasmtime tags a result only where the value would not tell its case.
        if isinstance(result, Variant):
            result = result.payload
        if hasattr(result, "code"):
            raise Failure(result.code, result.message)
        return result

    try:
        with open(question["model"], "rb") as file:
            loaded = call("load", file.read(), question["context"])
        prompt = call(question["how"], question["text"])
        tokens, text = [], b""
        while len(tokens) < question["limit"]:
            token = call("next-token")
            if token is None:
                break
            tokens.append(token.id)
            text += bytes(token.bytes)
    except Failure as failure:
        code, message = failure.args
        return {"code": code, "message": message}
    return {
        "model": vars(loaded),
        "prompt": prompt,
        "tokens": tokens,
        "text": text.decode(errors="replace"),
    }


def main(path, questions):
    engine = Engine(Config())
    component = Component.from_file(engine, path)
    print(json.dumps([answer(engine, component, one) for one in json.loads(questions)]))


main(*sys.argv[1:])
