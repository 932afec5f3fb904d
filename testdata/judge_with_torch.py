#!/usr/bin/python3
"""Judges golden/*.npz with PyTorch in float64: F.batch_norm and autograd against the exact answers.

    /usr/bin/python3 judge_with_torch.py        (Debian: apt-get install python3-torch)

PyTorch is the one that rounds here: the golden values are within half an ulp of the truth, torch's float64 is not. So
the tolerance is a bound on torch's own rounding, worked out below from u = 2^-53 and the data, plus half an ulp of the
stored type (and the half ulp of binary64 that f32 elements are rounded to before). No constant is tuned: a sum of m
terms in any order is off by at most (m - 1)*u*sum|terms|, and a few operations more are counted as m + 8. Each line
shows the largest error of each array over its tolerance; for f32 arrays that is near 1, since half an ulp is nearly
all of it. Exit code 1 if any value lies outside.
"""
import csv
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

warnings.simplefilter('ignore')
torch.set_num_threads(1)
GOLDEN = Path(__file__).parent / 'golden'
U, TINY = 2.0 ** -53, 2.0 ** -1074
LARGEST, SMALLEST = 1e150, 1e-150  # squares of values beyond leave binary64


def half_ulp(a):
    return np.abs(np.spacing(np.abs(a))).astype(float) / 2


def channels_first(a, axis):
    """(outer, channels, inner) as a matrix, one row a channel."""
    return a.reshape(1, -1) if axis is None else np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1)


def why_not(row, c):
    """The reason why float64 can't judge a case, or None."""
    x, eps = c['x'], float(c['eps'])
    values = [x] + ([c['dy']] if 'dy' in c else [])
    if x.size == 0:
        return 'm = 0: torch refuses or differs by convention'
    if any(not np.isfinite(v).all() for v in values + [c[k] for k in ('running_mean', 'running_variance') if k in c]):
        return 'not finite: the contract is stricter than torch'
    axis = int(row['channel_axis']) if row['channel_axis'] else None
    big = channels_first(x.astype(float), axis)
    if row['mode'] == 'training':
        if big.shape[1] == 1:
            return 'm = 1: torch refuses'
        if np.abs(big).max() > LARGEST:
            return 'squares overflow float64'
        if eps == 0 and (big == big[:, :1]).all(axis=1).any():
            return 'V + eps = 0: torch decides by its rounded variance'
        if eps < 1e-300 and (c['variance'] < SMALLEST ** 2).any():
            return 'V + eps underflows in float64'
    elif eps < 1e-300 and (c['running_variance'] + eps < 1e-300).any():
        return 'v + eps is subnormal or 0'
    return None


def judge(row, c):
    """{(member, dtype): largest error over tolerance} for every member that torch can compute."""
    axis = int(row['channel_axis']) if row['channel_axis'] else None
    x64 = channels_first(c['x'].astype(float), axis)
    C, m = x64.shape
    eps = float(c['eps'])
    column = lambda v: np.asarray(v, float).reshape(-1, 1)
    gamma, beta = c.get('gamma', np.ones(C)), c.get('beta', np.zeros(C))
    x = torch.tensor(x64.T.copy(), requires_grad=True)  # m x C: torch's own layout does not matter here
    w, b = torch.tensor(gamma, requires_grad=True), torch.tensor(beta, requires_grad=True)
    training = row['mode'] == 'training'
    found = {}
    if training:
        y = F.batch_norm(x, None, None, w, b, True, 0.1, eps)
        _, mean, inverse = torch.native_batch_norm(x, w, b, None, None, True, 0.1, eps)
        variance, mean_of = torch.var_mean(x, 0, unbiased=False)
        found['mean'], found['inverse_std'] = mean, inverse
        found['variance'] = variance
        old_m, old_v = c.get('running_mean_before'), c.get('running_variance_before')
        if row['convention'].startswith('pytorch'):
            new = [torch.tensor(old_m), torch.tensor(old_v)]
            take = 0.1 if row['convention'] == 'pytorch' else 1 / int(c['batches'])
            F.batch_norm(x, new[0], new[1], w, b, True, take, eps)
            found['running_mean'], found['running_variance'] = new
        elif row['convention']:
            keep = {'onnx': 0.9, 'keras': 0.99, 'flax': 0.99, 'mxnet': 0.9}[row['convention']]
            found['running_mean'] = keep * torch.tensor(old_m) + (1 - keep) * mean_of
            found['running_variance'] = keep * torch.tensor(old_v) + (1 - keep) * variance
    else:
        y = F.batch_norm(x, torch.tensor(c['running_mean']), torch.tensor(c['running_variance']), w, b, False, 0.1, eps)
    found['y'] = y.T
    if 'dy' in c:
        dy64 = channels_first(c['dy'].astype(float), axis)
        dx, dgamma, dbeta = torch.autograd.grad(y, (x, w, b), torch.tensor(dy64.T.copy()))
        found['dx'], found['dgamma'], found['dbeta'] = dx.T, dgamma, dbeta
    found = {k: v.detach().numpy() for k, v in found.items()}

    # Bounds of torch's rounding, one column a channel. n roundings of a sum of m terms and some more.
    n = (m + 8) * U
    a_x = np.abs(x64)
    if training:
        mean, V = column(c['mean']), column(c['variance']) + eps
        d_mean = n * a_x.max(axis=1, keepdims=True)  # torch's mean
        # Welford: relative error m*kappa*u with kappa = sqrt(1 + mean^2/V) (Chan, Golub, LeVeque 1983); two passes give
        # m*u and the square of the mean's error. Their sum covers both; eps > 0 makes V larger and so kappa smaller.
        d_V = n * (column(c['variance']) + np.abs(mean) * np.sqrt(column(c['variance']))) + d_mean ** 2
        d_inv = 0.5 * d_V / V + 4 * U  # relative, first order
        d_inv = d_inv * (1 + 2 * d_inv)
    else:
        mean, V = column(c['running_mean']), column(c['running_variance']) + eps
        d_mean, d_inv = 0 * mean, 4 * U + 0 * mean
        d_V = 0 * mean
    inv = 1 / np.sqrt(V)
    a = np.abs(column(gamma)) * inv
    d = np.abs(x64 - mean)
    tol = {}
    # torch may compute x*a + (beta - mean*a) for (x - mean)*a + beta: the larger terms are what is rounded, but an
    # error of a, common to both, still only meets x - mean.
    tol['y'] = a * d_mean + a * d * d_inv + 8 * U * (a * (a_x + np.abs(mean)) + np.abs(column(beta)))
    tol['inverse_std'] = (inv * d_inv)[:, 0]
    if training:
        tol['mean'] = d_mean[:, 0]
        tol['variance'] = d_V[:, 0]
        old_m, old_v = column(c.get('running_mean_before', mean)), column(c.get('running_variance_before', V))
        tol['running_mean'] = (d_mean + 4 * U * (np.abs(mean) + np.abs(old_m)))[:, 0]
        tol['running_variance'] = (2 * d_V + 8 * U * (2 * V + old_v))[:, 0]  # m/(m - 1) <= 2
    if 'dy' in c:
        a_dy = np.abs(dy64)
        total = a_dy.sum(axis=1, keepdims=True)
        products = (a_dy * d).sum(axis=1, keepdims=True)
        d_B = n * products + d_mean * total + m * TINY  # B = sum dy*(x - mean); products may underflow
        tol['dgamma'] = (inv * d_B + d_inv * inv * products)[:, 0]
        tol['dbeta'] = (n * total)[:, 0]
        if training:
            k2 = products / (m * V)
            d_k2 = d_B / (m * V) + 2 * d_inv * k2
            d_k1 = n * a_dy.max(axis=1, keepdims=True)
            size = a_dy + total / m + d * k2
            tol['dx'] = a * (d_k1 + d_mean * k2 + d * d_k2 + (8 * U + d_inv) * size)
        else:
            tol['dx'] = a * a_dy * 8 * U
    if not training:
        del tol['inverse_std']  # torch keeps none when statistics are given

    worst = {}
    for name, bound in tol.items():
        if name not in found or name not in c:
            continue
        expected = channels_first(c[name], axis) if name in ('y', 'dx') else c[name]
        # what the golden value itself was rounded by; a second rounding, to binary64, precedes that of f32 elements
        bound = bound + half_ulp(expected) * (1 + 2.0 ** -28) + TINY
        got = found[name].reshape(expected.shape)
        with np.errstate(all='ignore'):
            limit = np.finfo(expected.dtype).max
            overflow = np.isinf(expected) & (np.abs(got) >= limit) & (np.sign(got) == np.sign(expected))
            ratio = np.abs(got - expected.astype(float)) / bound
        ratio = np.where(overflow, 0, ratio)
        worst[name, c[name].dtype.name] = float('nan') if np.isnan(ratio).any() else float(ratio.max())
    return worst


def main():
    judged = values = failed = 0
    largest, skipped = {'float64': (0.0, ''), 'float32': (0.0, '')}, []
    for row in csv.DictReader(open(GOLDEN / 'manifest.csv')):
        name = row['name']
        c = dict(np.load(GOLDEN / f'{name}.npz'))
        reason = why_not(row, c)
        if reason:
            skipped.append((name, reason))
            continue
        worst = judge(row, c)
        judged += 1
        values += len(worst)
        ok = all(r <= 1 for r in worst.values())  # NaN fails
        failed += not ok
        print(f'{"ok  " if ok else "FAIL"} {name}: ' + ' '.join(f'{member}={r:.3g}' for (member, _), r in worst.items()))
        for (member, dtype), r in worst.items():
            if not r <= largest[dtype][0]:
                largest[dtype] = (r, f'{name} {member}')
    for name, reason in skipped:
        print(f'skip {name}: {reason}')
    print(f'torch {torch.__version__}: {judged} cases judged ({values} arrays), {failed} failed, '
          f'{len(skipped)} skipped; worst error over tolerance: '
          + ', '.join(f'{dtype} arrays {r:.3g} ({where})' for dtype, (r, where) in largest.items()))
    return 1 if failed or judged == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
