#!/usr/bin/env python3
"""The speed table of a result of peers.sh, every row of it; bold is where batchnorm is slower than the best peer.

Usage: benchmark/speed_table.py [RESULT [DOCUMENT]]     RESULT is benchmark/results/peers.csv unless given
    prints the table; with a DOCUMENT such as README.md, writes it there between the lines
    <!-- speed table --> and <!-- end of speed table -->
"""
import csv
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS, FLOOR = "batchnorm", "floor"
DISTURBED = 3  # percent
MANY = 10000  # channels, so many that what each of them costs is what the pass costs
BEGIN, END = "<!-- speed table -->", "<!-- end of speed table -->"
KEY = ["layout", "shape", "dtype", "offset", "pass", "threads"]
HEAD = ["x", "pass", "threads", "batchnorm, ms", "best peer, ms", "ratio", "floor, ms", "ratio", "ns a channel",
        "error, ulp", "peers' error, ulp"]


def rows(result):
    """Candidates by row of the table, threads beside each other; of lines about the same candidate the last counts."""
    table = {}
    with open(result, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["median_ms"]:
                key = tuple(line[column] for column in KEY)
                table.setdefault(key, {})[line["candidate"]] = line
    order = list(dict.fromkeys(key[:-1] for key in table))
    return dict(sorted(table.items(), key=lambda item: (order.index(item[0][:-1]), item[0][-1])))


def number(text):
    value = float(text)
    if value < 100:
        return f"{value:#.3g}"
    return f"{value:.0f}" if value < 1e5 else f"{value:.1e}".replace("e+0", "e")


def times(line):
    return f"{number(line['median_ms'])} ({number(line['min_ms'])}–{number(line['max_ms'])})"


def row(key, candidates):
    layout, shape, dtype, offset, name, threads = key
    ours, floor = candidates[OURS], candidates.get(FLOOR)
    peers = [line for who, line in candidates.items() if who not in (OURS, FLOOR)]
    best = max(peers, key=lambda line: float(line["ratio"]))
    channels = int(shape.split("×")[1 if layout.startswith("NC") else -1])
    to_best = f"{float(best['ratio']):.2f}"
    return [
        f"{layout} {shape} {dtype}" + (f", mean {float(offset):.0e}".replace("e+0", "e") if offset != "0" else ""),
        name,
        threads,
        times(ours),
        f"{best['candidate']} {times(best)}",
        f"**{to_best}**" if float(best["ratio"]) > 1 else to_best,
        f"{number(floor['median_ms'])} ({floor['note']})" if floor else "–",
        f"{float(floor['ratio']):.2f}" if floor else "–",
        number(float(ours["median_ms"]) * 1e6 / channels) if channels >= MANY else "–",
        number(ours["max_ulp"]),
        ", ".join(f"{line['candidate']} {number(line['max_ulp'])}" for line in peers),
    ]


def markdown(table):
    lines = [HEAD, ["---"] * len(HEAD)] + [row(key, candidates) for key, candidates in table.items()]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def disturbed(table):
    return [key for key, candidates in table.items() if float(candidates[OURS]["others_percent"]) > DISTURBED]


def write(document, table):
    text = document.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{document}: expected one line {BEGIN} and one {END}")
    before, rest = text.split(BEGIN)
    document.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")


result = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "benchmark/results/peers.csv"
table = rows(result)
for key in disturbed(table):
    print(f"measure again: others took more than {DISTURBED} % of the processors: {' '.join(key)}", file=sys.stderr)
if len(sys.argv) > 2:
    write(pathlib.Path(sys.argv[2]), markdown(table))
else:
    print(markdown(table), end="")
