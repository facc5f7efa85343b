"""The README's table, written from the JSON of a race: by this command, never by hand.

python -m keras_ref.race.headline RESULT.json [--readme README.md]     writes it
python -m keras_ref.race.headline --check [--readme README.md]         exit code 1 where it differs

The table stands between two comments, and the first one names the JSON file it was made from,
relative to the README:

<!-- race:begin benchmarks/results/race-all.json -->
<!-- race:end -->
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from keras_ref.race.measure import times
from scratchnet.errors import expected

__all__ = ["check", "main", "table", "write"]

BLOCK = re.compile(r"<!-- race:begin *(?P<source>.*?) *-->\n(?P<text>.*?)<!-- race:end -->", re.S)

KINDS = {
    "epoch": "an epoch",
    "predict": "prediction of all test images",
    "one_image": "prediction of one image",
}


def table(result: dict[str, Any]) -> str:
    """The Markdown of a result: seconds an epoch, and how many times as long others take."""
    first = result["first"]
    parts = result["networks"]
    names = list(dict.fromkeys(n for part in parts.values() for n in part["contestants"]))
    others = [name for name in names if name != first]
    head = ["", f"ScratchNet (`{first}`)", *(f"`{name}`" for name in others)]
    lines = [_row(head), _row(["---", *["--:"] * (len(head) - 1)])]
    for kind, words in KINDS.items():
        for network, part in parts.items():
            entries = part["contestants"]
            cells = [f"`{network}`, {words}", _time(entries[first][kind]["median"])]
            cells += [_compared(entries.get(name), kind) for name in others]
            lines.append(_row(cells))
    for network, part in parts.items():
        cells = [f"`{network}`, peak memory"]
        cells += [_memory(part["contestants"].get(name)) for name in (first, *others)]
        lines.append(_row(cells))
    return "\n".join([*lines, "", _caption(result)]) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{times(seconds)} s"
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.0f} µs"


def _compared(entry: dict[str, Any] | None, kind: str) -> str:
    """The time, how many times ours it is, and the quartiles of that over the rounds."""
    if entry is None:
        return "-"
    note = " (scaled)" if "scaled_from" in entry[kind] else ""
    found = entry["ratio"][kind]
    median, low, high = (times(found[key]) for key in ("median", "quartile_1", "quartile_3"))
    return f"{_time(entry[kind]['median'])}{note}, **{median}×** ({low}-{high})"


def _memory(entry: dict[str, Any] | None) -> str:
    return "-" if entry is None else f"{entry['memory']['training']:.0f} MB"


def _caption(result: dict[str, Any]) -> str:
    machine, settings = result["machine"], result["settings"]
    versions: dict[str, str] = {}
    for part in result["networks"].values():
        for entry in part["contestants"].values():
            versions |= entry["ran_on"]["versions"]
    told = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    busy = " Another process spun on one core." if settings["busy"] else ""
    return (
        f"Median of {settings['epochs']} rounds in turn on {settings['data']}; ×: how many times "
        f"as long as ScratchNet, median over the rounds (quartiles). {machine['processor']}, "
        f"{result['threads']} threads each, {machine['date'][:10]}; {told}.{busy} "
        f"`{_command(settings)}`"
    )


def _command(settings: dict[str, Any]) -> str:
    words = ["scratchnet race", settings["network"], "--data", settings["data"]]
    words += ["--against", ",".join(settings["against"]), "--epochs", str(settings["epochs"])]
    for name in ("engine", "threads"):
        if settings[name] is not None:
            words += [f"--{name}", str(settings[name])]
    return " ".join([*words, *(["--busy"] if settings["busy"] else [])])


def _block(readme: Path) -> tuple[str, "re.Match[str]"]:
    text = readme.read_text(encoding="utf-8")
    found = BLOCK.findall(text)
    if len(found) != 1:
        wanted = "one pair of <!-- race:begin --> and <!-- race:end -->"
        raise ValueError(
            expected(f"README '{readme.name}'", wanted, f"{len(found)}", "Put them in.")
        )
    match = BLOCK.search(text)
    assert match is not None
    return text, match


def write(readme: Path, source: Path) -> None:
    """Put the table of a result file between the markers; ValueError where they are missing."""
    text, match = _block(readme)
    made = table(json.loads(source.read_text(encoding="utf-8")))
    place = os.path.relpath(source.resolve(), readme.resolve().parent).replace(os.sep, "/")
    block = f"<!-- race:begin {place} -->\n{made}<!-- race:end -->"
    readme.write_text(text[: match.start()] + block + text[match.end() :], encoding="utf-8")


def check(readme: Path, source: Path | None = None) -> None:
    """Raise ValueError unless the table is the one that its JSON file gives.

    source   the file to compare with; None is the one that the marker names
    """
    _, match = _block(readme)
    if source is None:
        if not match["source"]:
            wanted, hint = "the name of a JSON file in the marker", "Write the table anew."
            raise ValueError(expected(f"README '{readme.name}'", wanted, "none", hint))
        source = readme.parent / match["source"]
    made = table(json.loads(source.read_text(encoding="utf-8")))
    for got, wanted in zip(
        [*match["text"].splitlines(), "(end)"], [*made.splitlines(), "(end)"], strict=False
    ):
        if got != wanted:
            hint = f"Run: python -m keras_ref.race.headline {source}"
            raise ValueError(expected(f"README '{readme.name}'", f"'{wanted}'", f"'{got}'", hint))


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m keras_ref.race.headline")
    parser.add_argument("result", nargs="?", type=Path, help="the JSON file of a race")
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--check", action="store_true", help="write nothing")
    chosen = parser.parse_args(arguments)
    if chosen.result is None and not chosen.check:
        parser.error("the JSON file of a race is needed, or --check")
    try:
        if chosen.check:
            check(chosen.readme, chosen.result)
        else:
            write(chosen.readme, chosen.result)
    except (OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
