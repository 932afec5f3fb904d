#!/usr/bin/python3
"""Judges golden/*.npz with PyTorch in float64: F.batch_norm and autograd against the exact answers.

    /usr/bin/python3 judge_with_torch.py        (Debian: apt-get install python3-torch)

PyTorch is the one that rounds here: the golden values are within half an ulp of the truth, torch's float64 is not. So
the tolerance is a bound on torch's own rounding, worked out below from u = 2^-53 and the data, plus half an ulp of the
stored type (and the half ulp of binary64 that f32 elements are rounded to before). No constant is tuned: a sum of m
terms in any order is off by at most (m - 1)*u*sum|terms|, and a few operations more are counted as m + 8. Each line
shows the largest error of each array over its tolerance; for f16 and f32 arrays that is near 1, since half an ulp is
nearly all of it. Exit code 1 if any value lies outside.

Sequences of mini-batches go through torch.nn.BatchNorm1d in the two pytorch conventions and through numpy and the
update rule their makers publish in the others. Each line shows how far the running statistics at the end are apart, in
ulps of binary64: of the value itself, and of the largest term that was added for it, which is what rounding is
relative to when a mean near 0 is left over. The summary adds how far both are from the recurrence in fractions, with
the same weights and no rounding. The tolerance is the recurrence of the bounds: what the old value was off by and what
the batch's statistic is off by, weighed as they are, plus the update's own roundings.
"""
import csv
import sys
import warnings
from fractions import Fraction
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
    """Half the distance to the next larger number, at the largest number to the next smaller."""
    a = np.minimum(np.abs(a), np.nextafter(np.finfo(a.dtype).max, a.dtype.type(0)))
    return np.spacing(a).astype(float) / 2


def channels_first(a, axis):
    """(outer, channels, inner) as a matrix, one row a channel."""
    return a.reshape(1, -1) if axis is None else np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1)


def statistics_error(mean, variance, largest, m):
    """Bounds of the error of a mean and of a variance in float64, of values no larger than `largest`."""
    n = (m + 8) * U
    d_mean = n * largest
    # Welford: relative error m*kappa*u with kappa = sqrt(1 + mean^2/V) (Chan, Golub, LeVeque 1983); two passes give
    # m*u and the square of the mean's error. Their sum covers both; eps > 0 makes V larger and so kappa smaller.
    return d_mean, n * (variance + np.abs(mean) * np.sqrt(variance)) + d_mean ** 2


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
        d_mean, d_V = statistics_error(mean, column(c['variance']), a_x.max(axis=1, keepdims=True), m)
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
        slack, bound = bound, bound + half_ulp(expected) * (1 + 2.0 ** -28) + TINY
        got = found[name].reshape(expected.shape)
        with np.errstate(all='ignore'):
            limit = float(np.finfo(expected.dtype).max)
            if expected.dtype != np.float64:  # from the midpoint on, numbers round to infinity
                limit += float(half_ulp(expected.dtype.type(limit)))
            overflow = np.isinf(expected) & (np.abs(got) + slack >= limit) & (np.sign(got) == np.sign(expected))
            ratio = np.abs(got - expected.astype(float)) / bound
        ratio = np.where(overflow, 0, ratio)
        worst[name, c[name].dtype.name] = float('nan') if np.isnan(ratio).any() else float(ratio.max())
    return worst


KEEP = {'onnx': 0.9, 'keras': 0.99, 'flax': 0.99, 'mxnet': 0.9}


def by_torch(row, c, parts):
    """Running mean and variance and the batches counted, by torch.nn.BatchNorm1d in float64."""
    norm = torch.nn.BatchNorm1d(
        len(c['running_mean']), float(c['eps']), 0.1 if row['convention'] == 'pytorch' else None).double()
    norm.running_mean.copy_(torch.tensor(c['running_mean_before']))
    norm.running_var.copy_(torch.tensor(c['running_variance_before']))
    norm.num_batches_tracked.fill_(int(c['batches_before']))
    for part in parts:
        norm(torch.tensor(part.T.copy()))
    return norm.running_mean.numpy(), norm.running_var.numpy(), int(norm.num_batches_tracked)


def by_numpy(row, c, parts):
    """The same by the update rule of ONNX, Keras, Flax and MXNet: p*old + (1 - p)*batch, with the biased variance."""
    p, mean, variance = KEEP[row['convention']], c['running_mean_before'], c['running_variance_before']
    for part in parts:
        mean = p * mean + (1 - p) * part.mean(axis=1)
        variance = p * variance + (1 - p) * part.var(axis=1)
    return mean, variance, int(c['batches_before']) + len(parts)


def exactly(row, c, parts):
    """Running mean and variance with the weights of F6 and no rounding, in fractions."""
    unbiased, weights = row['convention'].startswith('pytorch'), []
    for n in range(int(c['batches_before']) + 1, int(c['batches']) + 1):
        take = {'pytorch': 0.1, 'pytorch-cumulative': 1 / n}.get(row['convention'])
        keep = KEEP[row['convention']] if take is None else 1 - take
        weights.append((Fraction(keep), Fraction(1 - keep if take is None else take)))
    means = [Fraction(v) for v in c['running_mean_before']]
    variances = [Fraction(v) for v in c['running_variance_before']]
    for (keep, take), part in zip(weights, parts):
        for i, values in enumerate(part):
            m, s, q = len(values), sum(map(Fraction, values)), sum(Fraction(v) ** 2 for v in values)
            means[i] = keep * means[i] + take * s / m
            variances[i] = keep * variances[i] + take * (m * q - s * s) / (m * (m - unbiased))
    return means, variances


def judge_sequence(row, c):
    """As judge; and {running statistic: largest difference in ulps of itself, in ulps of its largest term, and in
    those what the judge and the golden value are off by}."""
    x, size, ours = c['x'], int(c['batch_size']), row['convention'].startswith('pytorch')
    axis = int(row['channel_axis']) if row['channel_axis'] else None
    cuts = [slice(i, i + size) for i in range(0, len(x), size)]
    parts = [channels_first(x[cut].astype(float), axis) for cut in cuts]
    mean, variance, batches = (by_torch if ours else by_numpy)(row, c, parts)
    if batches != int(c['batches']):
        return {('batches', 'int64'): float('nan')}, {}

    worst = {}
    d_mean, d_variance = np.zeros(len(mean)), np.zeros(len(mean))
    old_mean, old_variance = np.abs(c['running_mean_before']), c['running_variance_before']
    top_mean, top_variance = old_mean, old_variance
    for n, (cut, part) in enumerate(zip(cuts, parts), int(c['batches_before']) + 1):
        m = part.shape[1]
        long = part.astype(np.longdouble)
        b, v = long.mean(axis=1).astype(float), long.var(axis=1).astype(float)
        if m > 1:
            batch = {k: c[k] for k in ('gamma', 'beta', 'eps') if k in c}
            batch.update(x=x[cut], y=c['y'][cut], mean=b, variance=v)
            here = judge(dict(row, mode='training', convention=''), batch)
            key = ('y', x.dtype.name)
            worst[key] = max(worst.get(key, 0.0), here[key], key=lambda r: (r != r, r))
        take = {'pytorch': 0.1, 'pytorch-cumulative': 1 / n}.get(row['convention']) or 1 - KEEP[row['convention']]
        e_mean, e_v = statistics_error(b, v, np.abs(part).max(axis=1), m)
        if ours:
            v, e_v = v * m / (m - 1), e_v * m / (m - 1)
        # torch's statistic, ours to the half ulp; then two products, one sum and 1 - take, twice
        d_mean = (1 - take) * d_mean + take * (e_mean + U * np.abs(b)) \
            + 8 * U * ((1 - take) * old_mean + take * np.abs(b))
        d_variance = (1 - take) * d_variance + take * (e_v + U * v) + 8 * U * ((1 - take) * old_variance + take * v)
        old_mean = (1 - take) * old_mean + take * np.abs(b)
        old_variance = (1 - take) * old_variance + take * v
        top_mean, top_variance = np.maximum(top_mean, np.abs(part).max(axis=1)), np.maximum(top_variance, v)
    ulps = {}
    exact = exactly(row, c, parts)
    for name, got, bound, top, true in (('running_mean', mean, d_mean, top_mean, exact[0]),
                                        ('running_variance', variance, d_variance, top_variance, exact[1])):
        off = np.abs(got - c[name])
        ratio = off / (bound + TINY)
        worst[name, 'float64'] = float('nan') if np.isnan(ratio).any() else float(ratio.max())
        errors = [max(float(abs(Fraction(v) - e)) / np.spacing(t) for v, e, t in zip(values, true, top))
                  for values in (got, c[name])]
        ulps[name] = (off / np.spacing(np.abs(c[name]))).max(), (off / np.spacing(top)).max(), *errors
    return worst, ulps


def main():
    judged = values = failed = 0
    largest, skipped = {'float64': (0.0, ''), 'float32': (0.0, ''), 'float16': (0.0, '')}, []
    apart = {'torch.nn.BatchNorm1d': {}, 'numpy': {}}
    for row in csv.DictReader(open(GOLDEN / 'manifest.csv')):
        name = row['name']
        c = dict(np.load(GOLDEN / f'{name}.npz'))
        reason = why_not(row, c)
        if reason:
            skipped.append((name, reason))
            continue
        note = ''
        if row['mode'] == 'sequence':
            worst, ulps = judge_sequence(row, c)
            apart['torch.nn.BatchNorm1d' if row['convention'].startswith('pytorch') else 'numpy'][name] = ulps
            note = ''.join(f' {k} {a:.0f} ulp ({b:.2g} of the largest term)' for k, (a, b, *_) in ulps.items())
        else:
            worst = judge(row, c)
        judged += 1
        values += len(worst)
        ok = all(r <= 1 for r in worst.values())  # NaN fails
        failed += not ok
        print(f'{"ok  " if ok else "FAIL"} {name}: ' + ' '.join(f'{member}={r:.3g}' for (member, _), r in worst.items())
              + note)
        for (member, dtype), r in worst.items():
            if not r <= largest[dtype][0]:
                largest[dtype] = (r, f'{name} {member}')
    for who, sequences in apart.items():
        for k in 'running_mean', 'running_variance':
            figures = [(*ulps[k], name) for name, ulps in sequences.items() if ulps]
            print(f'{k} after {len(figures)} sequences, against {who}: '
                  f'{sum(f[0] == 0 for f in figures)} equal to the bit, {sum(f[0] <= 1 for f in figures)} within '
                  f'1 ulp; at most {max(figures)[0]:.0f} ulp ({max(figures)[-1]}), in ulps of the largest term '
                  f'{max(f[1] for f in figures):.2g}; from the exact recurrence it is off by up to '
                  f'{max(f[2] for f in figures):.2g}, ours by {max(f[3] for f in figures):.2g}')
    for name, reason in skipped:
        print(f'skip {name}: {reason}')
    print(f'torch {torch.__version__}: {judged} cases judged ({values} arrays), {failed} failed, '
          f'{len(skipped)} skipped; worst error over tolerance: '
          + ', '.join(f'{dtype} arrays {r:.3g} ({where})' for dtype, (r, where) in largest.items()))
    return 1 if failed or judged == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
