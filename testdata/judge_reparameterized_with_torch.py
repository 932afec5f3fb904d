#!/usr/bin/python3
"""Judges reparameterized/*.npz: in fractions by what the numbers are for, and with PyTorch in float64.

    /usr/bin/python3 judge_reparameterized_with_torch.py        (Debian: apt-get install python3-torch)

- The identity. X·W^ + b^ and BN(X·W), by the definition of batch norm on Z = X·W, in fractions and roots of 300 bits.
  What they may differ by is worked out from the roundings R1 to R5 made. Each line shows the largest deviation in units
  of half an ulp of T, relative to the largest terms sum|x_i·W^_ik| + |b^_k|, and over its bound.
- Gradients. Central differences of sum dY·BN(X·W), or of weight normalization, in fractions, with steps of 2^-100:
  the golden value has to be within half an ulp of binary64.
- PyTorch. torch.cov and W·gamma/sqrt(W'SW + eps) for W^ and b^; autograd through F.batch_norm(X·W) for the gradients;
  torch.nn.utils.weight_norm on torch.nn.Linear for weight normalization. As in judge_with_torch.py the tolerance is a
  bound on torch's own rounding plus half an ulp of the stored type, and each number an error over its tolerance.

Exit code 1 if any value lies outside.
"""
import csv
import sys
import warnings
from fractions import Fraction
from math import isqrt
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.dont_write_bytecode = True
from judge_with_torch import TINY, U, half_ulp, statistics_error
from make_golden import floor_log2

warnings.simplefilter('ignore')
torch.set_num_threads(1)
GOLDEN = Path(__file__).parent / 'reparameterized'
HALF = {'f16': Fraction(1, 2 ** 11), 'f32': Fraction(1, 2 ** 24), 'f64': Fraction(1, 2 ** 53)}
SMALLEST = {'f16': Fraction(1, 2 ** 24), 'f32': Fraction(1, 2 ** 149), 'f64': Fraction(1, 2 ** 1074)}

# ---------------------------------------------------------------------------------------------
# In fractions, and by the definition: statistics of Z = X·W rather than of X.


def root(r):
    """The square root of r to 300 bits."""
    k = 300 - floor_log2(r) // 2
    return Fraction(isqrt(int(r * Fraction(4) ** k)), 1) / Fraction(2) ** k


def dot(a, b):
    return sum((x * y for x, y in zip(a, b)), Fraction(0))


def batch_norm(X, w, gamma, beta, eps):
    """The column BN(X·w); None for an inverse of 0."""
    z = [dot(row, w) for row in X]
    mean = sum(z) / len(z)
    d = [v - mean for v in z]
    q = dot(d, d) / len(z) + eps
    if q == 0:
        return [beta] * len(z) if not any(d) else None
    s = gamma / root(q)
    return [v * s + beta for v in d]


def weight_norm(X, w, gamma, beta, eps):
    s = gamma / root(dot(w, w))
    return [dot(row, w) * s + beta for row in X]


def fractions(a):
    """The values of an array, exactly."""
    return [Fraction(float(v)) for v in a]


def parts(c):
    """X by rows, the columns of W, gamma, beta and eps in fractions."""
    units = c['w'].shape[1]
    return ([fractions(row) for row in c['x']], [fractions(col) for col in c['w'].T],
            fractions(c.get('gamma', np.ones(units))), fractions(c.get('beta', np.zeros(units))),
            Fraction(float(c['eps'])))


def identity(row, c):
    """(largest deviation relative to the terms in halves of an ulp of T, over its bound, units judged, units not)."""
    T, u = row['w_dtype'], HALF['f64']
    if row['mode'] != 'batch' or not np.isfinite(c['x']).all():
        return 0, 0, 0, c['w'].shape[1]
    X, W, gamma, beta, eps = (parts(dict(c, w=np.where(np.isfinite(c['w']), c['w'], 0))))
    m, columns = len(X), list(zip(*X))
    means = [sum(x) / m for x in columns]
    relative = over = 0
    judged = 0
    for k, w in enumerate(W):
        stored = [*c['w'][:, k], *c['weights'][:, k], c['bias'][k], c['q'][k]]
        if not np.isfinite(np.array(stored, float)).all():
            continue
        exact = batch_norm(X, w, gamma[k], beta[k], eps)
        centred = [dot(x, w) - dot(means, w) for x in X]
        q = dot(centred, centred) / m + eps
        # R2 and R3: half an ulp of every entry of S, and of q
        S = [[abs(Fraction(float(v))) for v in r] for r in c['covariance']]
        dq = u * (dot(map(abs, w), [dot(r, map(abs, w)) for r in S]) + q) + SMALLEST['f64'] * (1 + dot(w, w) * len(w))
        if any(centred):
            if 2 * dq >= q:
                continue  # S rounded has lost q
            ds, a = dq / (q - dq), abs(gamma[k]) / root(q)
        else:
            ds, a = 0, Fraction(0)
            if q > 0:
                a = abs(gamma[k]) / root(Fraction(float(c['q'][k])) + eps)
            elif c['q'][k] > 0:
                a = abs(gamma[k]) / root(Fraction(float(c['q'][k])))
        judged += 1
        weights, bias = fractions(c['weights'][:, k]), Fraction(float(c['bias'][k]))
        t = HALF[T] + 2 * u
        for x, y, d in zip(X, exact, centred):
            off = abs(dot(x, weights) + bias - y)
            terms = dot(map(abs, x), map(abs, weights)) + abs(bias)
            size = dot(map(abs, means), map(abs, w))
            bound = a * abs(d) * (ds + 4 * u) + t * terms + 3 * u * a * size \
                + SMALLEST[T] * (sum(map(abs, x)) + 1) + SMALLEST['f64'] * a * (1 + sum(map(abs, w)))
            over = max(over, float(off / bound) if bound else float(off != 0))
            relative = max(relative, float(off / terms / HALF[T]) if terms else 0.0)
    return relative, over, judged, len(W) - judged


def differences(row, c):
    """The largest difference of a golden gradient from the central difference, in ulps of binary64."""
    X, W, gamma, beta, eps = parts(c)
    forward = weight_norm if row['mode'] == 'weight-norm' else batch_norm
    worst = 0.0
    for k, w in enumerate(W):
        dy = fractions(c['dy'][:, k])

        def loss(i, step):
            """i counts the features, then gamma, then beta."""
            p = [*w, gamma[k], beta[k]]
            p[i] += step
            return dot(dy, forward(X, p[:-2], p[-2], p[-1], eps))
        for i, expected in enumerate([*c['dweights'][:, k], c['dgamma'][k], c['dbeta'][k]]):
            h = Fraction(1, 2 ** 100) * max(map(abs, w)) if i < len(w) else Fraction(1)
            slope = (loss(i, h) - loss(i, -h)) / (2 * h)
            worst = max(worst, float(abs(slope - Fraction(float(expected)))) / float(np.spacing(abs(expected))))
    return worst


# ---------------------------------------------------------------------------------------------
# PyTorch.


def why_not(row, c):
    """The reason why float64 can't judge a case, or None."""
    if row['mode'] == 'weight-norm':
        if not np.isfinite(c['w']).all():
            return 'not finite: a column of ours is NaN, torch divides a finite weight by Inf'
        return 'squares overflow float64' if np.isinf(c['q']).any() else None  # a zero column is NaN there too
    if not all(np.isfinite(c[k]).all() for k in ('w', 'weights', 'bias', 'q', 'mean', 'covariance', 'x') if k in c):
        return 'not finite'
    if row['constant']:
        return 'q + eps = 0'
    if 'x' in c and max(np.abs(c[k].astype(float)).max() for k in ('x', 'w')) > 1e150 or (c['q'] > 1e290).any():
        return 'squares overflow float64'
    if (c['q'] + c['eps'] < 1e-290).any():
        return 'q + eps is subnormal or 0 in float64'
    return None


def linear(row, c):
    """mean, S, W^ and b^ by matrix products; {member: (found, bound of torch's error)}."""
    W = torch.tensor(c['w'].astype(float))
    d, units = W.shape
    gamma, beta = c.get('gamma', np.ones(units)), c.get('beta', np.zeros(units))
    a_w, found = np.abs(W.numpy()), {}
    if row['mode'] == 'batch':
        x = c['x'].astype(float)
        m, n = len(x), (len(x) + 8) * U
        mean, S = torch.tensor(x).mean(0), torch.cov(torch.tensor(x).T, correction=0).reshape(d, d)
        d_mean = n * np.abs(x).max(axis=0)
        xc = np.abs(x - c['mean']) + d_mean
        each = xc.mean(axis=0)
        d_S = n * (xc.T @ xc) / m + np.outer(d_mean, each) + np.outer(each, d_mean) + m * TINY
        found = {'mean': (mean.numpy(), d_mean), 'covariance': (S.numpy(), d_S)}
    else:
        mean, S, d_mean, d_S = torch.tensor(c['mean']), torch.tensor(c['covariance']), np.zeros(d), np.zeros((d, d))
    q = torch.clamp((W * (S @ W)).sum(0), min=0)
    eps = float(c['eps'])
    weights = W * (torch.tensor(gamma) / torch.sqrt(q + eps))
    bias = torch.tensor(beta) - mean @ weights
    d_q = np.einsum('ik,ij,jk->k', a_w, d_S + (2 * d + 8) * U * np.abs(c['covariance']), a_w) + TINY
    relative = d_q / (c['q'] + eps)
    if (relative > 0.25).any():
        return None
    relative = relative + 8 * U  # the root halves it; the quarter above keeps the rest of the series below
    a = np.abs(gamma) / np.sqrt(c['q'] + eps)
    size = a_w * a
    d_weights = size * relative + TINY
    a_mean = np.abs(c['mean'])
    d_bias = a_mean @ (d_weights + (d + 8) * U * size) + d_mean @ size + 4 * U * np.abs(beta)
    return dict(found, q=(q.numpy(), d_q), weights=(weights.numpy(), d_weights), bias=(bias.numpy(), d_bias))


def autograd(row, c):
    """Gradients through F.batch_norm(X·W), with bounds."""
    x, w, dy = (c[k].astype(float) for k in ('x', 'w', 'dy'))
    (m, d), units, n = x.shape, w.shape[1], (len(x) + 8) * U
    gamma, beta = c.get('gamma', np.ones(units)), c.get('beta', np.zeros(units))
    t = [torch.tensor(v, requires_grad=True) for v in (w, gamma, beta)]
    z = torch.tensor(x) @ t[0]
    eps = float(c['eps'])
    y = F.batch_norm(z, None, None, t[1], t[2], True, 0.1, eps)
    grads = torch.autograd.grad(y, t, torch.tensor(dy))
    z = z.detach().numpy()
    mean, V = z.mean(axis=0), c['q'] + eps
    d_z = (d + 2) * U * (np.abs(x) @ np.abs(w))
    d_mean, d_V = statistics_error(mean, c['q'], np.abs(z).max(axis=0), m)
    dev = np.abs((x - c['mean']) @ w) + 2 * U * ((np.abs(x) + np.abs(c['mean'])) @ np.abs(w))
    d_d = d_z + d_z.mean(axis=0) + d_mean
    d_V = d_V + 2 * (dev * d_d).mean(axis=0) + (d_d ** 2).mean(axis=0)
    d_inv = 0.5 * d_V / V + 4 * U
    if (d_inv > 0.1).any():
        return None
    d_inv = d_inv * (1 + 2 * d_inv)
    inv = 1 / np.sqrt(V)
    a_dy = np.abs(dy)
    total, products = a_dy.sum(axis=0), (a_dy * dev).sum(axis=0)
    d_B = n * products + (a_dy * d_d).sum(axis=0) + m * TINY
    k2 = products / (m * V)
    d_k2 = d_B / (m * V) + 2 * d_inv * k2
    d_dz = np.abs(gamma) * inv * (n * a_dy.max(axis=0) + d_d * k2 + dev * d_k2
                                  + (8 * U + d_inv) * (a_dy + total / m + dev * k2))
    d_w = np.abs(x).T @ (d_dz + n * np.abs(gamma) * inv * (a_dy + total / m + dev * k2))
    bounds = d_w, inv * d_B + d_inv * inv * products, n * total
    return {k: (g.numpy(), b) for k, g, b in zip(('dweights', 'dgamma', 'dbeta'), grads, bounds)}


def normalized(row, c):
    """torch.nn.utils.weight_norm."""
    w = c['w'].astype(float)
    d, units = w.shape
    gamma, beta = c.get('gamma', np.ones(units)), c.get('beta', np.zeros(units))
    layer = torch.nn.utils.weight_norm(torch.nn.Linear(d, units).double(), dim=0)
    with torch.no_grad():
        layer.weight_v.copy_(torch.tensor(w.T.copy()))
        layer.weight_g.copy_(torch.tensor(gamma).reshape(-1, 1))
        layer.bias.copy_(torch.tensor(beta))
    x = torch.tensor(c['x'].astype(float) if 'x' in c else np.zeros((1, d)))
    y = layer(x)
    weights, n_d = layer.weight.detach().numpy().T, (d + 12) * U
    found = {'weights': (weights, np.abs(c['weights'].astype(float)) * n_d + TINY),
             'bias': (layer.bias.detach().numpy(), np.zeros(units))}
    if 'dy' in c:
        dy = c['dy'].astype(float)
        n = (len(dy) + 8) * U
        grads = torch.autograd.grad(y, (layer.weight_v, layer.weight_g, layer.bias), torch.tensor(dy))
        length = np.sqrt(c['q'])
        G = np.abs(x.numpy()).T @ np.abs(dy)
        B = (np.abs(w) * G).sum(axis=0)
        d_B = (n + n_d) * B
        found['dweights'] = grads[0].numpy().T, np.abs(gamma) / length * (
            (n + n_d) * G + np.abs(w) * (d_B + 2 * n_d * B) / c['q'])
        found['dgamma'] = grads[1].numpy()[:, 0], (d_B + n_d * B) / length
        found['dbeta'] = grads[2].numpy(), n * np.abs(dy).sum(axis=0)
    return found


def ratios(c, found):
    """{member: largest error over tolerance}."""
    worst = {}
    for name, (got, bound) in found.items():
        expected = c[name]
        with np.errstate(all='ignore'):
            largest = float(np.finfo(expected.dtype).max)
            if expected.dtype != np.float64:
                largest += float(half_ulp(expected.dtype.type(largest)))
            overflow = np.isinf(expected) & (np.abs(got) + bound >= largest) & (np.sign(got) == np.sign(expected))
            tolerance = bound + half_ulp(expected) * (1 + 2.0 ** -28) + TINY
            r = np.abs(got - expected.astype(float)) / tolerance
        r = np.where(overflow | np.isnan(got) & np.isnan(expected), 0, r)
        worst[name] = float('nan') if np.isnan(r).any() else float(r.max())
    return worst


def main():
    failed, skipped, counts = 0, [], dict(identity=0, differences=0, torch=0)
    top = {}

    def note(what, value, name):
        if not value <= top.get(what, (-1.0, ''))[0]:
            top[what] = (value, name)

    units = [0, 0]
    for row in csv.DictReader(open(GOLDEN / 'manifest.csv')):
        name, c = row['name'], dict(np.load(GOLDEN / f"{row['name']}.npz"))
        line, ok = [], True
        relative, over, judged, left = identity(row, c)
        if row['mode'] == 'batch':
            units[0], units[1] = units[0] + judged, units[1] + left
        if judged:
            counts['identity'] += 1
            ok &= over <= 1
            line.append(f'identity: {relative:.3g} half ulps of the terms, {over:.3g} of its bound'
                        + (f' ({left} units not judged)' if left else ''))
            note(f"identity, half ulps of {row['w_dtype']} of the largest terms", relative, name)
            note(f"identity, over its bound, {row['w_dtype']}", over, name)
        if 'dy' in c:
            counts['differences'] += 1
            ulps = differences(row, c)
            ok &= ulps <= 0.5 + 1e-9
            line.append(f'differences: {ulps:.4g} ulp')
            note('gradients from central differences, ulps', ulps, name)
        reason = why_not(row, c)
        found = None
        if not reason:
            found = normalized(row, c) if row['mode'] == 'weight-norm' else linear(row, c)
            if found is not None and row['mode'] == 'batch' and 'dy' in c:
                more = autograd(row, c)
                if more is None:
                    skipped.append((name + ' gradients', 'float64 loses q'))
                found.update(more or {})
            if found is None:
                reason = 'float64 loses q'
        if reason:
            skipped.append((name, reason))
        else:
            counts['torch'] += 1
            worst = ratios(c, found)
            ok &= all(r <= 1 for r in worst.values())
            line.append('torch: ' + ' '.join(f'{k}={r:.3g}' for k, r in worst.items()))
            for k, r in worst.items():
                note(f"torch {row['mode']} {k} {c[k].dtype.name}, over its tolerance", r, name)
        failed += not ok
        print(f'{"ok  " if ok else "FAIL"} {name}: ' + '; '.join(line))
    for name, reason in skipped:
        print(f'skip torch {name}: {reason}')
    for what, (value, name) in sorted(top.items()):
        print(f'worst {what}: {value:.4g} ({name})')
    print(f'torch {torch.__version__}: identity of {counts["identity"]} cases ({units[0]} units, {units[1]} not), '
          f'differences of {counts["differences"]}, torch judged {counts["torch"]}, skipped {len(skipped)}; '
          f'{failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
