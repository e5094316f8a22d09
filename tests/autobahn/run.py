"""Runs the Autobahn test suite against echo services on loopback and writes summary.md.

    python -m tests.autobahn.run [--service tests.autobahn.echo] [--suite DIR] [--python2 PATH]

The suite is the PyPI package `autobahntestsuite`, which runs on Python 2.7 alone: one that is
found on the path or under pyenv. Where DIR does not hold the package it is installed there, and
nowhere else. A service is a module that takes `--port 0` and prints "listening on PORT". Exits
with 1 if a case failed, or if the suite could not be run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rpc.wire import SUBPROTOCOL

VERSION = "25.10.1"
SERVICES = ["tests.autobahn.echo", "tests.autobahn.fast_echo"]
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
GROUPS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "closing",
    "9": "limits and performance",
    "10": "other",
}
COLUMNS = ("OK", "NON-STRICT", "INFORMATIONAL", "FAILED")
SUMMARY = Path(__file__).parent / "summary.md"
DEADLINE = 1500  # seconds for a service's whole run


def find_python2() -> str | None:
    found = [shutil.which("python2.7") or ""]
    found += sorted(map(str, Path.home().glob(".pyenv/versions/2.7.*/bin/python")))
    for python2 in filter(None, found):
        # The name on the path may be a shim with nothing behind it.
        if subprocess.run([python2, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python2
    return None


def install(python2: str, folder: Path) -> None:
    if (folder / "autobahntestsuite").is_dir():
        return
    package = f"autobahntestsuite=={VERSION}"
    command = [python2, "-m", "pip", "install", "-q", "--target", str(folder), package]
    subprocess.run(command, check=True, timeout=900)


@contextlib.contextmanager
def serving(module: str) -> Iterator[int]:
    """The port of a service that runs until the block ends."""
    command = [sys.executable, "-m", module, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().removeprefix("listening on "))
        finally:
            process.terminate()


def run_suite(python2: str, folder: Path, service: str) -> dict[str, dict[str, Any]]:
    """The suite's report on each case."""
    with tempfile.TemporaryDirectory() as scratch, serving(service) as port:
        spec = {
            "outdir": f"{scratch}/reports",
            "servers": [
                {
                    "agent": "service",
                    "url": f"ws://127.0.0.1:{port}",
                    "protocols": [SUBPROTOCOL],
                }
            ],
            "cases": CASES,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        Path(scratch, "spec.json").write_text(json.dumps(spec))
        # As a folder of site packages, for those of its packages that need one of its .pth files.
        start = f"import site; site.addsitedir({str(folder)!r})\n"
        start += "from autobahntestsuite.wstest import run; run()"
        subprocess.run(
            [python2, "-c", start, "-m", "fuzzingclient", "-s", "spec.json"],
            cwd=scratch,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=DEADLINE,
        )
        report: dict[str, Any] = json.loads(Path(scratch, "reports/index.json").read_text())
        cases: dict[str, dict[str, Any]] = report["service"]
        return cases


def outcome(case: dict[str, Any]) -> str:
    """Of a case, its closing handshake included: the worse of the two."""
    both = (case["behavior"], case["behaviorClose"])
    for name in ("NON-STRICT", "INFORMATIONAL"):
        if set(both) <= {"OK", name} and name in both:
            return name
    return "OK" if set(both) == {"OK"} else "FAILED"


def table(service: str, cases: dict[str, dict[str, Any]]) -> str:
    counts: dict[str, Counter[str]] = {group: Counter() for group in GROUPS}
    for number, case in cases.items():
        counts[number.split(".")[0]][outcome(case)] += 1
    lines = [
        f"## `{service}`",
        "",
        "| group | cases | " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    rows = [(f"{group} {name}", counts[group]) for group, name in GROUPS.items()]
    rows.append(("all", sum(counts.values(), Counter())))
    for name, count in rows:
        cells = [str(count[column]) for column in COLUMNS]
        lines.append(f"| {name} | {count.total()} | " + " | ".join(cells) + " |")
    named = [
        f"{column}: {', '.join(numbers)}"
        for column in COLUMNS[1:]
        if (numbers := [number for number in cases if outcome(cases[number]) == column])
    ]
    return "\n".join([*lines, "", *named, *([""] if named else [])])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--service", action="append", help="a module; may be given again")
    parser.add_argument("--suite", type=Path, default=Path("build/autobahn"))
    parser.add_argument("--python2", default=find_python2())
    options = parser.parse_args()
    if options.python2 is None:
        print("no Python 2.7 was found, which the suite needs: name one by --python2")
        return 1
    folder = options.suite.resolve()
    install(options.python2, folder)
    text = [
        "# Autobahn",
        "",
        f"autobahntestsuite {VERSION}, cases 1–7, 9 and 10, by `python -m tests.autobahn.run`.",
        "A case counts as the worse of its behaviour and its closing handshake.",
        "",
    ]
    failed = False
    for service in options.service or SERVICES:
        cases = run_suite(options.python2, folder, service)
        failed |= not cases or any(outcome(case) == "FAILED" for case in cases.values())
        text.append(table(service, cases))
    SUMMARY.write_text("\n".join(text))
    print("\n".join(text))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
