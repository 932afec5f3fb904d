#!/usr/bin/env python3
"""Audits what audit_peers.sh had oneDNN and libtorch write, and makes a document of it.

Usage: benchmark/audit_report.py OUTPUTS DOCUMENT [COMMAND]     COMMAND is ./batchnorm unless given
    A table has every candidate's verdict beside its largest errors, which NumPy finds in binary64, sums of at most
    65536 values about a mean subtracted twice; below is what audit prints for the workloads NC.
"""
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
EPS = 2.0 ** -17
INPUTS = ["gamma", "beta", "dy"]
RESULTS = ["y", "mean", "variance", "inverse_std", "dx", "dgamma", "dbeta"]
LAYOUT_AXIS = {"NC": 1, "NCHW": 1, "NHWC": 3}


def options(candidate):
    """What audit is given for a candidate's folder, typed in the folder above."""
    workload = candidate.parent
    words = ["x.npy", "--layout", workload.name.split("-")[0]]
    for name in INPUTS:
        words += [f"--{name}", f"{name}.npy"]
    words += ["--eps", repr(EPS)]
    for name in RESULTS:
        if (candidate / f"{name}.npy").exists():
            words += ["--" + name.replace("_", "-"), f"{candidate.name}/{name}.npy"]
    return words


def audit(command, candidate):
    """What audit prints."""
    words = [command, "audit", *options(candidate)]
    done = subprocess.run(words, cwd=candidate.parent, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{candidate}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout + done.stderr


def rows(workload, name):
    """An array with a row for each value and a column for each channel."""
    a = np.load(workload / f"{name}.npy").astype(float)
    axis = LAYOUT_AXIS[workload.name.split("-")[0]]
    return a if a.ndim == 1 else np.moveaxis(a, axis, -1).reshape(-1, a.shape[axis])


def truth(workload):
    x, dy, gamma, beta = (rows(workload, name) for name in ("x", "dy", "gamma", "beta"))
    mean = x.mean(axis=0)
    d = x - mean
    rest = d.mean(axis=0)
    d -= rest
    variance = (d * d).mean(axis=0)
    inverse = 1 / np.sqrt(variance + EPS)
    xhat = d * inverse
    dgamma, dbeta = (dy * xhat).sum(axis=0), dy.sum(axis=0)
    dx = gamma * inverse * (dy - dbeta / len(x) - xhat * (dgamma / len(x)))
    return {"y": xhat * gamma + beta, "mean": mean + rest, "variance": variance, "inverse_std": inverse, "dx": dx,
            "dgamma": dgamma, "dbeta": dbeta}


def errors(exact, candidate):
    """The largest error of each result, as text, empty where there is none."""
    found = []
    for name in RESULTS:
        file = candidate / f"{name}.npy"
        if not file.exists():
            found.append("")
            continue
        a = np.load(file).astype(float)
        if a.ndim > 1:
            axis = LAYOUT_AXIS[candidate.parent.name.split("-")[0]]
            a = np.moveaxis(a, axis, -1).reshape(-1, a.shape[axis])
        found.append(f"{np.abs(a - exact[name]).max():.2g}")
    return found


def verdict(text):
    """Status, and the explanations that come first, of what audit printed."""
    lines = text.rstrip().split("\n")
    status = next(line.split(":")[0] for line in reversed(lines) if line.split(":")[0].isupper())
    first = [line.split()[1].rstrip(":") for line in lines if line.startswith("  1  ")]
    return status, " or ".join(f"`{f}`" for f in first)


def main():
    outputs, document = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    command = str(pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else ROOT / "batchnorm").resolve())
    workloads = sorted(p for p in outputs.iterdir() if p.is_dir())
    lines = ["# What `audit` says about oneDNN and libtorch", "",
             "x is the mean + N(0,1) in binary32, 65536 values in each of 64 channels; dy is N(0,1), γ in [½, 1½), β = 0,",
             "ε = 2⁻¹⁷. `make audit-peers` has each library normalise it and differentiate, writes what it gave as NPY, and",
             "audits that. The columns behind the verdict are the largest errors in absolute terms, found by NumPy in binary64.",
             "Made by `benchmark/audit_report.py`.", "",
             "| x | library | verdict | explained by | " + " | ".join(RESULTS) + " |",
             "| --- " * (4 + len(RESULTS)) + "|"]
    shown = []
    for workload in workloads:
        exact = truth(workload)
        for candidate in sorted(p for p in workload.iterdir() if p.is_dir()):
            text = audit(command, candidate)
            status, explained = verdict(text)
            cells = [workload.name, candidate.name, status, explained, *errors(exact, candidate)]
            lines.append("| " + " | ".join(cells) + " |")
            if workload.name.startswith("NC-"):
                shown.append((candidate, text))
            print(f"{workload.name} {candidate.name}: {status} {explained}", file=sys.stderr)
    lines += ["", "## In full", ""]
    for candidate, text in shown:
        lines += [f"### {candidate.parent.name}, {candidate.name}", "", "```",
                  "$ batchnorm audit " + " ".join(options(candidate)), *text.rstrip().split("\n"),
                  "```", ""]
    machine = (outputs / "machine.txt").read_text(encoding="utf-8").rstrip().split("\n")
    lines += ["## The machine", "", "```", *[m for m in machine if not m.startswith("Flags")], "```", ""]
    document.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
