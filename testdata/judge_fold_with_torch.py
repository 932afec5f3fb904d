#!/usr/bin/python3
"""Judges fold/*.npz with PyTorch in float64: fuse_conv_bn_weights, fuse_linear_bn_weights, and the layers themselves.

    /usr/bin/python3 judge_fold_with_torch.py        (Debian: apt-get install python3-torch)

As in judge_with_torch.py the golden values are within half an ulp of the truth and PyTorch is the one that rounds, so
the tolerance is a bound on its rounding, from u = 2^-53 and the data, plus half an ulp of the stored type. PyTorch's
fusion knows no transposed convolutions in groups; those are judged by the layers alone: F.batch_norm of the layer's
output against the folded layer's, on seeded inputs, within the bound of docs/math.md and PyTorch's rounding of sums.
Each line shows the largest error over its tolerance. Exit code 1 if any lies outside.
"""
import csv
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

warnings.simplefilter('ignore')
torch.set_num_threads(1)
FOLD = Path(__file__).parent / 'fold'
U = 2.0 ** -53
ROUNDING = {'float16': (2.0 ** -11, 2.0 ** -24), 'float32': (2.0 ** -24, 2.0 ** -149), 'float64': (U, 2.0 ** -1074)}


def why_not(c):
    """The reason why float64 can't judge a case, or None."""
    if any(v.dtype.kind == 'f' and not np.isfinite(v).all() for v in c.values()):
        return 'not finite'
    if c['weights'].size == 0:
        return 'no weights'
    if (c['running_variance'] + float(c['eps']) < 1e-300).any():
        return 'v + eps is subnormal or 0'
    return None


def layer(row, weights, bias, x):
    kind, groups, axes = row['layer'], int(row['groups']), weights.ndim - 2
    w, b, x = (torch.tensor(v.astype(float)) for v in (weights, bias, x))
    if kind == 'linear':
        return F.linear(x, w, b)
    functions = {'conv': (F.conv1d, F.conv2d, F.conv3d),
                 'conv-transpose': (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)}
    return functions[kind][axes - 1](x, w, b, groups=groups)


def judge(row, c):
    """{what: largest error over tolerance}."""
    w, groups = c['weights'], int(row['groups'])
    channels = len(c['running_mean'])
    bias = c.get('bias', np.zeros(channels))
    gamma, beta = c.get('gamma', np.ones(channels)), c.get('beta', np.zeros(channels))
    mean, variance, eps = c['running_mean'], c['running_variance'], float(c['eps'])
    a = np.abs(gamma) / np.sqrt(variance + eps)
    relative, smallest = ROUNDING[w.dtype.name]
    worst = {}

    def compare(what, found, expected, tolerance):
        ratio = np.abs(found - expected.astype(float)) / tolerance
        worst[what] = float('nan') if np.isnan(ratio).any() else float(ratio.max())

    if row['layer'] != 'conv-transpose' or groups == 1:
        args = [torch.tensor(v.astype(float)) for v in (w, bias, mean, variance)] + [eps]
        args += [torch.tensor(gamma), torch.tensor(beta)]
        if row['layer'] == 'linear':
            fused = fuse_linear_bn_weights(*args)
        else:
            fused = fuse_conv_bn_weights(*args, transpose=row['layer'] == 'conv-transpose')
        fused_w, fused_b = (v.detach().numpy() for v in fused)
        expected = c['folded_weights'].astype(float)
        compare('weights', fused_w, c['folded_weights'], (relative + 9 * U) * np.abs(expected) + smallest)
        size = a * (np.abs(bias.astype(float)) + np.abs(mean)) + np.abs(beta)
        compare('bias', fused_b, c['folded_bias'],
                (relative + U) * np.abs(c['folded_bias'].astype(float)) + smallest + 10 * U * size)

    r = np.random.RandomState(int(row['seed']))
    inputs = w.shape[0] if row['layer'] == 'conv-transpose' else w.shape[1] * groups
    x = r.standard_normal((2, inputs) + tuple(k + 2 for k in w.shape[2:]))
    arguments = [torch.tensor(v) for v in (mean, variance, gamma, beta)]
    y = F.batch_norm(layer(row, w, bias, x), *arguments, False, 0.1, eps).numpy()
    f = layer(row, c['folded_weights'], c['folded_bias'], x).numpy()
    column = (1, channels) + (1,) * (w.ndim - 2)
    size_w = layer(row, np.abs(w), np.abs(bias), np.abs(x)).numpy()
    size_f = layer(row, np.abs(c['folded_weights']), np.abs(c['folded_bias']), np.abs(x)).numpy()
    ones = layer(row, np.ones_like(w, float), np.ones(channels), np.abs(x)).numpy()
    n = (w.size // channels + 8) * U
    shift = a * np.abs(mean) + np.abs(beta)
    bound = (relative * (1 + 2.0 ** -28) + 2 * n) * size_f + smallest * ones \
        + 2 * n * a.reshape(column) * size_w + 10 * U * (np.abs(y) + shift.reshape(column))
    compare('identity', f, y, bound)
    return worst


def main():
    judged = failed = 0
    largest, skipped = {}, []
    for row in csv.DictReader(open(FOLD / 'manifest.csv')):
        c = dict(np.load(FOLD / f'{row["name"]}.npz'))
        reason = why_not(c)
        if reason:
            skipped.append((row['name'], reason))
            continue
        worst = judge(row, c)
        judged += 1
        ok = all(r <= 1 for r in worst.values())  # NaN fails
        failed += not ok
        print(f'{"ok  " if ok else "FAIL"} {row["name"]}: ' + ' '.join(f'{k}={r:.3g}' for k, r in worst.items()))
        for what, r in worst.items():
            key = what, row['dtype']
            if not r <= largest.get(key, (0.0, ''))[0]:
                largest[key] = (r, row['name'])
    for name, reason in skipped:
        print(f'skip {name}: {reason}')
    print(f'torch {torch.__version__}: {judged} cases judged, {failed} failed, {len(skipped)} skipped; worst error over '
          'tolerance: ' + ', '.join(f'{what} {t} {r:.3g} ({where})' for (what, t), (r, where) in largest.items()))
    return 1 if failed or judged == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
