#!/usr/bin/env python3
"""The largest error of y in f32, 65536 x 64, of batchnorm, torch and numpy. The truth is our f64 result, which is right
to half an ulp of f64."""
import pathlib
import subprocess
import tempfile

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent


def forward(folder, x, *options):
    np.save(folder / "x.npy", x)
    subprocess.run([ROOT / "batchnorm", "forward", folder / "x.npy", *options, "-o", folder / "y.npy"], check=True)
    return np.load(folder / "y.npy")


def numpy_forward(x):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + np.float32(1e-5))


def torch_forward(x, threads):
    torch.set_num_threads(threads)
    return torch.nn.functional.batch_norm(torch.from_numpy(x), None, None, training=True, eps=1e-5).numpy()


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for mean in (0, 1e4, 1e6):
        x = (mean + np.random.default_rng(1).standard_normal((65536, 64))).astype("f4")
        truth = forward(folder, x, "--dtype", "f64")
        ulp = np.spacing(np.abs(truth.astype("f4"))).astype("f8")
        for who, y in (
            ("batchnorm", forward(folder, x)),
            (f"torch {torch.__version__}, 1 thread", torch_forward(x, 1)),
            (f"torch {torch.__version__}, 2 threads", torch_forward(x, 2)),
            (f"numpy {np.__version__} float32", numpy_forward(x)),
        ):
            error = np.abs(y.astype("f8") - truth)
            print(f"{mean:g} + N(0,1): {who}: max |error| {error.max():.2g}, {(error / ulp).max():.4g} ulp")
