#!/usr/bin/env python3
"""Checks the files of batchnorm against the programs that people use them with: numpy, pandas, PyTorch, Miller.

Every array goes numpy -> batchnorm convert -> numpy and must keep its bits; what batchnorm writes is read by pandas,
torch and mlr. Run by hand, on Debian with: apt-get install python3-numpy python3-pandas python3-torch miller

    /usr/bin/python3 testdata/round_trip.py [COMMAND]        (default: batchnorm beside this folder)
"""
import io
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np

COMMAND = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).resolve().parent.parent / "batchnorm")
TYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
SHAPES = [(), (0,), (3, 0), (1,), (7,), (5, 3), (2, 3, 4), (2, 1, 3, 2, 2)]
FOLDER = Path(tempfile.mkdtemp(prefix="batchnorm-round-trip-"))
random = np.random.RandomState(20261125)


def batchnorm(*arguments, **options):
    return subprocess.run([COMMAND, *map(str, arguments)], check=True, stdout=subprocess.PIPE, **options).stdout


def bits(dtype, shape):
    """An array of random bit patterns, NaN payloads and subnormals among them."""
    count = int(np.prod(shape, dtype=int))
    size = np.dtype(dtype).itemsize
    raw = random.bytes(count * size)
    if dtype == "b1":
        raw = bytes(b & 1 for b in raw)
    return np.frombuffer(raw, dtype=np.dtype(dtype).newbyteorder("<")).reshape(shape)


def variants():
    """name -> array: every type, byte order, order of axes and shape."""
    arrays = {}
    for dtype in TYPES:
        for shape in SHAPES:
            for order in "<>":
                for layout in "CF":
                    array = bits(dtype, shape).astype(np.dtype(dtype).newbyteorder(order))
                    name = f"{dtype}{'le' if order == '<' else 'be'}{layout}{'x'.join(map(str, shape))}"
                    arrays[name] = np.asarray(array, order=layout)
    return arrays


def same(expected, found):
    little = expected.astype(expected.dtype.newbyteorder("<"))
    return (found.dtype == little.dtype and found.shape == little.shape and found.flags.c_contiguous
            and found.tobytes() == little.tobytes())


def streamed(arrays):
    """An NPZ as written to a pipe: sizes and checksums stand behind the members."""
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.bytes = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.bytes += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as npz:
        for name, array in arrays.items():
            with npz.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array)
    return bytes(pipe.bytes)


def npy_round_trips(arrays):
    checked = 0
    for name, array in arrays.items():
        if array.ndim != 2 and not name.startswith(("f2", "i8")):
            continue  # the NPZ below hold all of them
        for version in [(1, 0), (2, 0), (3, 0)] if array.shape == (5, 3) and ("beF" in name or "f4" in name) else [None]:
            with open(FOLDER / "a.npy", "wb") as file:
                np.lib.format.write_array(file, array, version=version)
            batchnorm("convert", FOLDER / "a.npy", "-o", FOLDER / "b.npy")
            assert same(array, np.load(FOLDER / "b.npy")), name
            checked += 1
    return checked


def npz_round_trips(arrays):
    np.savez(FOLDER / "stored.npz", **arrays)
    np.savez_compressed(FOLDER / "deflated.npz", **arrays)
    (FOLDER / "streamed.npz").write_bytes(streamed(arrays))
    checked = 0
    for kind in ["stored", "deflated", "streamed"]:
        batchnorm("convert", FOLDER / f"{kind}.npz", "-o", FOLDER / "out.npz")
        with np.load(FOLDER / "out.npz") as out:
            assert out.files == list(arrays), kind
            for name, array in arrays.items():
                assert same(array, out[name]), (kind, name)
                checked += 1
    return checked


def numbers(dtype, count):
    """Finite values over the whole range, and special ones."""
    values = bits(dtype, (count,)).astype(dtype)
    special = np.array([0.0, -0.0, 1.0, 0.1, 1e-4, 9.999e-5, 6e-8, 65504, np.nan, np.inf, -np.inf], dtype=dtype)
    values = np.concatenate([special, values[np.isfinite(values)]])
    return values[: len(values) // 4 * 4].reshape(-1, 4)


def text_round_trips(dtype, count):
    import pandas

    values = numbers(dtype, count)
    np.save(FOLDER / "v.npy", values)
    batchnorm("convert", FOLDER / "v.npy", "-o", FOLDER / "v.csv")
    lines = (FOLDER / "v.csv").read_text().splitlines()
    assert lines == [",".join(str(v) for v in row) for row in values], "text is not numpy's"
    label = {"f2": "f16", "f4": "f32", "f8": "f64"}[dtype]
    batchnorm("convert", FOLDER / "v.csv", "--header", "no", "--dtype", label, "-o", FOLDER / "w.npy")
    back = np.load(FOLDER / "w.npy")
    assert np.array_equal(back, values, equal_nan=True) and np.array_equal(np.signbit(back), np.signbit(values))

    frame = pandas.read_csv(FOLDER / "v.csv", header=None, float_precision="round_trip", na_values=["nan"])
    with np.errstate(over="ignore"):
        read = frame.to_numpy().astype(dtype)
    assert np.array_equal(read, values, equal_nan=True), "pandas"
    frame.to_csv(FOLDER / "p.csv", index=False, header=False, na_rep="nan")
    batchnorm("convert", FOLDER / "p.csv", "--header", "no", "-o", FOLDER / "p.npy")
    assert np.array_equal(np.load(FOLDER / "p.npy"), frame.to_numpy(), equal_nan=True), "from pandas"

    finite = values[np.isfinite(values).all(axis=1)]
    np.save(FOLDER / "f.npy", finite)
    csv = batchnorm("convert", FOLDER / "f.npy", "--to", "csv")
    out = subprocess.run(["mlr", "--icsv", "--implicit-csv-header", "--ojson", "cat"],
                         input=csv, stdout=subprocess.PIPE, check=True).stdout
    rows = [[row[str(i)] for i in range(1, 5)] for row in json.loads(out)]
    assert np.array_equal(np.array(rows, dtype=dtype), finite), "mlr"
    return values.size


def batches():
    """y, the saved statistics and a state, read by numpy and torch."""
    import torch

    x = (1e4 + random.standard_normal((300, 8))).astype("f4")
    np.save(FOLDER / "x.npy", np.asfortranarray(x).astype(">f4"))
    batchnorm("forward", FOLDER / "x.npy", "--running", "new", "--save", FOLDER / "s.npz", "-o", FOLDER / "y.npy")
    y = torch.from_numpy(np.load(FOLDER / "y.npy"))
    with np.load(FOLDER / "s.npz") as saved:
        layer = torch.nn.BatchNorm1d(8, dtype=torch.float64)
        expected = layer(torch.from_numpy(x.astype("f8"))).detach()
        error = float((y.double() - expected).abs().max())
        layer.running_mean.copy_(torch.from_numpy(saved["running_mean"]))
        layer.running_var.copy_(torch.from_numpy(saved["running_variance"]))
        layer.num_batches_tracked.copy_(torch.from_numpy(saved["batches"]))
        assert int(layer.num_batches_tracked) == 1 and saved["count"] == 300
        np.savez(FOLDER / "torch.npz", **{k: v.numpy() for k, v in layer.state_dict().items()})
    batchnorm("infer", FOLDER / "x.npy", "--running", FOLDER / "torch.npz", "--gamma", FOLDER / "torch.npz",
              "--beta", FOLDER / "torch.npz", "-o", FOLDER / "z.npy")
    inferred = layer.eval()(torch.from_numpy(x.astype("f8"))).detach()
    error_infer = float((torch.from_numpy(np.load(FOLDER / "z.npy")).double() - inferred).abs().max())
    assert error < 2e-7 and error_infer < 1e-3, (error, error_infer)

    batchnorm("stats", FOLDER / "x.npy", "--save", FOLDER / "state.npz", "-o", FOLDER / "table.csv")
    with np.load(FOLDER / "state.npz") as state:
        for name, power in [("sum_x", 1), ("sum_xx", 2)]:
            limbs = np.split(state[name], np.cumsum(state[name + "_limbs"])[:-1])
            for c in range(8):
                total = int.from_bytes(limbs[c].tobytes(), "little", signed=True)
                exact = sum(Fraction(float(v)) ** power for v in x[:, c])
                assert total * Fraction(2) ** int(state[name + "_exponent"][c]) == exact
    return error, error_infer


def main():
    print("numpy", np.__version__, "|", batchnorm("--version").decode().strip())
    arrays = variants()
    print(f"{len(arrays)} arrays (12 types, 2 byte orders, C and Fortran order, {len(SHAPES)} shapes)")
    print(f"NPZ numpy -> batchnorm -> numpy, stored, deflated, streamed: {npz_round_trips(arrays)} bit-equal")
    print(f"NPY numpy -> batchnorm -> numpy, versions 1.0 to 3.0: {npy_round_trips(arrays)} bit-equal")
    for dtype, count in [("f2", 40000), ("f4", 100000), ("f8", 100000)]:
        print(f"CSV {dtype}: {text_round_trips(dtype, count)} values: numpy's text, and read back alike by batchnorm, "
              "pandas and mlr")
    print("torch: y of 1e4 + N(0,1) differs from float64 by at most %.1e, inference from a state dict by %.1e" % batches())
    print("numpy: the sums of a state are the exact ones")
    shutil.rmtree(FOLDER)


main()
