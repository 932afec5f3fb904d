#!/usr/bin/env python3
"""Makes cases for `batchnorm audit`: results of plain kernels under other conventions, of right ones, of broken ones.

    python3 make_audit_cases.py DIR [--seed 1] [--count 100] [--size 1]

The kernels below share nothing with ours but the equations. They add in binary32 or binary64 as others do: rows in a
random order, one after the other, in blocks, in lanes or in halves. NumPy only.

DIR/CASE.npz holds the inputs (x, gamma, beta, dy, running_mean, running_variance) and the other implementation's
results (their_y, their_mean, …); its running statistics afterwards are a file of their own, DIR/CASE-after.npz.
DIR/cases.csv:

    case         the name of the files
    expected     the conventions joined by +, PASSED, or none
    also         explanations of as many names that this data can't tell from the expected one, in the kernel's noise
    options      to paste behind `batchnorm audit`, in DIR
    times_error  how far the convention moves a value, in errors of right kernels (two-pass, Welford) of this type
                 and order
    times_bound  the same in a-priori bounds of a right kernel: a sum of m terms is off by at most (m + 8)·u·Σ|terms|
    note         data, kernel, and the reading where a name has several

A convention case is kept if it moves a value by 20 times the error and twice the bound of right kernels; if no smaller
explanation reproduces it; and, unless its name is a binary32 arithmetic, if it moves a value by twice the bound of the
one-pass formula in binary32 too, which otherwise explains nearly everything on badly conditioned data.

--count is the number of convention cases; there are 2 right ones and 1 corruption for 5 of them. --size multiplies m.
"""
import argparse
import csv
import itertools
from pathlib import Path

import numpy as np

F32, F64, LONG = np.float32, np.float64, np.longdouble
EXACT_TYPE = LONG
ARITHMETIC = {'one_pass_f32': 'one-pass', 'one_pass_f32_clipped': 'one-pass-clipped', 'welford_f32': 'welford',
              'two_pass_f32': 'two-pass'}
CONVENTIONS = ['unbiased_variance', 'biased_running_variance', 'momentum_old', 'eps_missing', 'eps_outside_root',
               'eps_1e-3', 'eps_in_running_variance', 'variance_as_inverse_std', 'std_as_variance', 'gamma_missing',
               'beta_missing', 'gamma_beta_swapped', 'wrong_axis', 'stale_statistics', 'wrong_count']
PER_ELEMENT = ('y', 'dx')
RUNNING = ('running_mean', 'running_variance')
ROOM = {'error': 20, 'bound': 2}


def unit_roundoff(dtype):
    return 2.0 ** -24 if dtype == F32 else 2.0 ** -53


# ---------------------------------------------------------------------------------------------
# Plain kernels. Everything below is (m, channels), rows in the kernel's order.

class Kernel:
    """A type, an order of rows, a way to add, an algorithm for the variance and a form of y."""

    def __init__(self, dtype, how='lanes', statistics='two-pass', form='centred', order=0, width=8):
        self.dtype, self.how, self.statistics, self.form = dtype, how, statistics, form
        self.order, self.width = order, width

    def but(self, **changes):
        return Kernel(**{**self.__dict__, **changes})

    def __str__(self):
        name = {F32: 'f32', F64: 'f64', LONG: 'exact'}[self.dtype]
        width = '' if self.how in ('sequential', 'halves') else f' of {self.width}'
        return f'{self.statistics} {name}, {self.how}{width}, y {self.form}'

    def shuffled(self, a):
        return a[np.random.default_rng(self.order).permutation(len(a))]

    def sum(self, a):
        """The sum over rows, every addition rounded to the type of a."""
        if self.how == 'halves':
            return self.halves(a)
        if self.how == 'sequential' or len(a) <= self.width:
            return np.add.accumulate(a, axis=0)[-1]
        if self.how == 'blocks':
            parts = [np.add.accumulate(a[i:i + self.width], axis=0)[-1] for i in range(0, len(a), self.width)]
            return np.add.accumulate(np.stack(parts), axis=0)[-1]
        return self.halves(np.stack([np.add.accumulate(a[i::self.width], axis=0)[-1] for i in range(self.width)]))

    def halves(self, a):
        return a[0] if len(a) == 1 else self.halves(a[:len(a) // 2]) + self.halves(a[len(a) // 2:])

    def mean_and_variance(self, x, count):
        """Mean and biased variance, with sums divided by count."""
        x, n = self.shuffled(x), self.dtype(count)
        if self.statistics == 'welford':
            return self.welford(x)
        mean = self.sum(x) / n
        if self.statistics == 'two-pass':
            return mean, self.sum((x - mean) * (x - mean)) / n
        variance = self.sum(x * x) / n - mean * mean
        return mean, np.maximum(variance, 0) if self.statistics == 'one-pass-clipped' else variance

    def welford(self, x):
        """Welford's update, in as many runs as there are lanes, merged by Chan's formula; one run if sequential."""
        T, runs = self.dtype, []
        lanes = 1 if self.how == 'sequential' else min(self.width, len(x))
        for rows in (x[i::lanes] for i in range(lanes)):
            mean, squares = np.zeros(x.shape[1], T), np.zeros(x.shape[1], T)
            for i, row in enumerate(rows):
                delta = row - mean
                mean = mean + delta / T(i + 1)
                squares = squares + delta * (row - mean)
            runs.append((T(len(rows)), mean, squares))
        while len(runs) > 1:
            (na, ma, sa), (nb, mb, sb) = runs.pop(0), runs.pop(0)
            delta, n = mb - ma, na + nb
            runs.append((n, ma + delta * (nb / n), sa + sb + delta * delta * (na * nb / n)))
        n, mean, squares = runs[0]
        return mean, squares / n


EXACT = Kernel(EXACT_TYPE)


class Case:
    """Inputs, what audit is told, and what an implementation with a wrong view or count takes instead."""

    def __init__(self, x, axis, eps=1e-5, momentum=0.1, gamma=None, beta=None, dy=None, running=None):
        self.x, self.axis, self.eps, self.momentum = x, axis, eps, momentum
        self.gamma, self.beta, self.dy, self.running = gamma, beta, dy, running
        self.wrong_view = None      # (shape, axis) that `wrong_axis` sees
        self.wrong_count = None     # m of `wrong_count`
        self.count_reading = 'both'  # what is divided by it: both, variance, bessel, gradient
        self.inverse_std_for_variance = False  # the other reading of `variance_as_inverse_std`
        self.std_with_eps = False   # the other reading of `std_as_variance`

    def rows(self, a, view=None):
        shape, axis = view or (self.x.shape, self.axis)
        a = np.moveaxis(a.reshape(shape), axis, -1)
        return a.reshape(-1, a.shape[-1])

    def array(self, rows, view=None):
        shape, axis = view or (self.x.shape, self.axis)
        moved = [s for i, s in enumerate(shape) if i != axis % len(shape)] + [shape[axis]]
        return np.moveaxis(rows.reshape(moved), -1, axis).reshape(self.x.shape)

    @property
    def m(self):
        return self.x.size // self.x.shape[self.axis]


def results(case, names, kernel):
    """What an implementation with these conventions gives: every array it can, in the kernel's type."""
    T = kernel.dtype
    view = case.wrong_view if 'wrong_axis' in names else None
    x = case.rows(case.x, view).astype(T)
    m, channels = x.shape
    wrong = case.wrong_count if 'wrong_count' in names else None
    gamma = np.ones(channels, T) if case.gamma is None else case.gamma.astype(T)
    beta = np.zeros(channels, T) if case.beta is None else case.beta.astype(T)
    if 'gamma_beta_swapped' in names:
        gamma, beta = beta, gamma
    if 'gamma_missing' in names:
        gamma = np.ones(channels, T)
    if 'beta_missing' in names:
        beta = np.zeros(channels, T)

    counted = wrong if wrong and case.count_reading == 'both' else m
    with np.errstate(all='ignore'):
        mean, variance = kernel.mean_and_variance(x, counted)
        if wrong and case.count_reading == 'variance':
            variance = variance * T(m) / T(wrong)
        bessel = wrong if wrong and case.count_reading == 'bessel' else m
        unbiased = variance * T(bessel) / T(bessel - 1) if bessel > 1 else variance
        of_batch = variance if 'biased_running_variance' in names else unbiased
        batch_mean = mean
        if 'unbiased_variance' in names:
            variance = unbiased
        stale = 'stale_statistics' in names
        if stale:
            mean, variance = (v.astype(T) for v in case.running)
        eps = T(1e-3 if 'eps_1e-3' in names else case.eps)
        if 'eps_outside_root' in names:
            inverse = T(1) / (np.sqrt(variance) + eps)
        else:
            inverse = T(1) / np.sqrt(variance if 'eps_missing' in names else variance + eps)

        if kernel.form == 'centred':
            y = (x - mean) * inverse * gamma + beta
        elif kernel.form == 'scaled':
            y = (x - mean) * (inverse * gamma) + beta
        else:  # 'shifted', as PyTorch's processor kernel
            scale = inverse * gamma
            y = x * scale + (beta - mean * scale)
        found = {'y': case.array(y, view), 'mean': mean, 'variance': variance, 'inverse_std': inverse}
        if 'std_as_variance' in names:
            found['variance'] = np.sqrt(variance + eps) if case.std_with_eps else np.sqrt(variance)
        if 'variance_as_inverse_std' in names:
            if case.inverse_std_for_variance:
                found['variance'] = inverse
            else:
                found['inverse_std'] = variance

        if case.running is not None and not view:
            new = T(case.momentum)
            old = T(1) - new
            if 'momentum_old' in names:
                old, new = new, old
            if 'eps_in_running_variance' in names:
                of_batch = of_batch + eps
            before_mean, before_variance = (v.astype(T) for v in case.running)
            found['running_mean'] = old * before_mean + new * batch_mean
            found['running_variance'] = old * before_variance + new * of_batch

        if case.dy is not None:
            dy = case.rows(case.dy, view).astype(T)
            xhat = (x - mean) * inverse
            dbeta = kernel.sum(kernel.shuffled(dy))
            dgamma = kernel.sum(kernel.shuffled(dy * xhat))
            n = T(wrong if wrong and case.count_reading in ('both', 'gradient') else m)
            dx = gamma * inverse * (dy if stale else dy - dbeta / n - xhat * (dgamma / n))
            found.update(dx=case.array(dx, view), dgamma=dgamma, dbeta=dbeta)
    return found


def stored(found, dtype):
    return {k: v.astype(dtype) for k, v in found.items()}


# ---------------------------------------------------------------------------------------------
# How far apart, and how far kernels may be.

def by_channel(case, name, a):
    """One row a value, one column a channel."""
    return case.rows(a) if name in PER_ELEMENT else a.reshape(1, -1)


def distance(case, given, a, b):
    """{output: the largest difference in each channel}; NaN differs from numbers infinitely, from NaN not at all."""
    apart = {}
    for name in given:
        p, q = (by_channel(case, name, v[name].astype(LONG)) for v in (a, b))
        if p.shape != q.shape:
            apart[name] = np.array([np.inf])
            continue
        with np.errstate(all='ignore'):
            d = np.where((p == q) | (np.isnan(p) & np.isnan(q)), 0, np.abs(p - q))
        apart[name] = np.where(np.isnan(d), np.inf, d).max(axis=0).astype(float)
    return apart


def largest_ratio(apart, scale):
    with np.errstate(all='ignore'):
        ratios = [np.where(apart[k] == 0, 0, apart[k] / scale[k]) if np.shape(apart[k]) == np.shape(scale[k])
                  else np.array([np.inf]) for k in apart]
    return float(max(np.where(np.isnan(r), 0, r).max() for r in ratios))


def rounding(case, given, truth, dtype):
    """Half an ulp of the largest value of a channel."""
    return {k: np.abs(by_channel(case, k, truth[k].astype(float))).max(axis=0) * unit_roundoff(dtype) for k in given}


def merged(*errors):
    return {k: np.maximum.reduce([e[k] for e in errors]) for k in errors[0]}


def error_of_right(case, given, truth, kernel):
    """The largest errors in each channel of right kernels, two-pass and Welford, in this type and order."""
    errors = [distance(case, given, stored(results(case, (), kernel.but(statistics=s)), kernel.dtype), truth)
              for s in ('two-pass', 'welford')]
    return merged(rounding(case, given, truth, kernel.dtype), *errors)


@np.errstate(all='ignore')  # 0·inf is NaN: no bound
def bound(case, given, dtype, one_pass=False):
    """A-priori bounds of a plain kernel's errors, the largest in each channel."""
    u, x = unit_roundoff(dtype), case.rows(case.x).astype(float)
    m = len(x)
    n = (m + 8) * u
    mean, variance = x.mean(axis=0), x.var(axis=0)
    gamma = np.ones(x.shape[1]) if case.gamma is None else np.abs(case.gamma.astype(float))
    beta = np.zeros(x.shape[1]) if case.beta is None else np.abs(case.beta.astype(float))
    d_mean = n * np.abs(x).mean(axis=0)
    if one_pass:
        d_variance = n * 2 * (x * x).mean(axis=0)
    else:
        d_variance = n * (variance + np.abs(mean) * np.sqrt(variance)) + d_mean ** 2
    sum_ = variance + case.eps
    inverse = 1 / np.sqrt(sum_)
    relative = np.where(d_variance < sum_ / 2, d_variance / sum_, np.inf) + 4 * u
    b = {'mean': d_mean, 'variance': d_variance, 'inverse_std': inverse * relative}
    largest = np.abs(x - mean).max(axis=0)
    b['y'] = gamma * inverse * (d_mean + largest * (relative + 4 * u) + 4 * u * np.abs(x).max(axis=0)) + 4 * u * beta
    if case.running is not None:
        before_mean, before_variance = (np.abs(v.astype(float)) for v in case.running)
        take = max(case.momentum, 1 - case.momentum)
        b['running_mean'] = take * (d_mean + 4 * u * np.abs(mean)) + 4 * u * before_mean
        b['running_variance'] = take * (2 * d_variance + 4 * u * variance) + 4 * u * before_variance
    if case.dy is not None:
        dy = np.abs(case.rows(case.dy).astype(float))
        xhat = np.abs(x - mean) * inverse
        b['dbeta'] = n * dy.sum(axis=0)
        b['dgamma'] = n * (dy * xhat).sum(axis=0) + dy.sum(axis=0) * inverse * d_mean \
            + (dy * xhat).sum(axis=0) * (relative + 4 * u)
        inner = dy.max(axis=0) + dy.mean(axis=0) + xhat.max(axis=0) * (dy * xhat).mean(axis=0)
        b['dx'] = gamma * inverse * (inner * (2 * relative + 8 * u) + b['dbeta'] / m
                                     + 2 * xhat.max(axis=0) * b['dgamma'] / m + inverse * d_mean * b['dgamma'] / m)
    return {k: b[k] for k in given}


def possible(case, name):
    return {'gamma_missing': case.gamma is not None, 'beta_missing': case.beta is not None,
            'gamma_beta_swapped': case.gamma is not None and case.beta is not None,
            'wrong_axis': case.wrong_view is not None, 'wrong_count': case.wrong_count is not None,
            'stale_statistics': case.running is not None}.get(name, True)


def explanations(case, size):
    """Sets of conventions of at most so many names."""
    names = [n for n in CONVENTIONS if possible(case, n)]
    for k in range(1, size + 1):
        yield from (frozenset(s) for s in itertools.combinations(names, k))


def examined(case, given, names, kernel, theirs, dtype):
    """(times_error, times_bound, also), or None if the case doesn't show its conventions."""
    plain = frozenset(names) - set(ARITHMETIC)
    arithmetic = frozenset(names) & set(ARITHMETIC)
    right = kernel.but(dtype=dtype, statistics='two-pass')
    truth, expected = results(case, (), EXACT), results(case, plain, EXACT)
    error = error_of_right(case, given, truth, right)
    moved = distance(case, given, theirs, truth)
    times_error = largest_ratio(moved, error)
    times_bound = largest_ratio(moved, bound(case, given, dtype))
    if times_error < ROOM['error'] or times_bound < ROOM['bound']:
        return None
    one_pass = bound(case, given, F32, one_pass=True)
    if plain and largest_ratio(distance(case, given, expected, truth), one_pass) < ROOM['bound']:
        return None
    noise = merged(error, distance(case, given, theirs, expected))
    reach = merged(noise, one_pass) if arithmetic else noise
    also = []
    for other in explanations(case, len(names)):
        if other == plain:
            continue
        prediction = results(case, other, EXACT)
        if largest_ratio(distance(case, given, theirs, prediction), error) <= 4:
            agrees = other
        elif arithmetic and len(other) < len(names) \
                and largest_ratio(distance(case, given, expected, prediction), noise) <= 3:
            agrees = other | arithmetic
        elif not arithmetic and largest_ratio(distance(case, given, expected, prediction), noise) <= 3:
            agrees = other
        else:
            continue
        if len(agrees) < len(names):
            return None
        also.append(agrees)
    if arithmetic and plain:  # the arithmetic alone must not explain it
        if largest_ratio(distance(case, given, expected, truth), reach) < ROOM['bound']:
            return None
    if arithmetic:
        also += [plain | {other} for other in ARITHMETIC
                 if other not in names and also_as(case, given, plain, kernel, theirs, expected, other)]
    return times_error, times_bound, sorted({'+'.join(sorted(a)) for a in also})


def also_as(case, given, plain, kernel, theirs, expected, other):
    """Whether another binary32 arithmetic may as well have given theirs: two-pass and Welford by the bound they share,
    one-pass because it is as far off, within a factor of 3."""
    if other in ('two_pass_f32', 'welford_f32'):
        return largest_ratio(distance(case, given, theirs, expected), bound(case, given, F32)) <= 1
    rival = stored(results(case, plain, kernel.but(statistics=ARITHMETIC[other], dtype=F32)), F64)
    floor = rounding(case, given, expected, F32)
    rivals, own = distance(case, given, rival, expected), distance(case, given, theirs, expected)
    return largest_ratio(rivals, merged(floor, own)) <= 3 and largest_ratio(own, merged(floor, rivals)) <= 3


# ---------------------------------------------------------------------------------------------
# Drawing cases.

LAYOUTS = {'NC': -1, 'NCL': 1, 'NCHW': 1, 'NHWC': 3, 'NLC': 2}


def drawn_shape(r, size, layout=None, m=None):
    """(layout, shape) with m from 4 to 2000, and few values in all."""
    layout = layout or r.choice(['NC', 'NC', 'NCHW', 'NHWC', 'NCL'])
    m = (m or int(r.choice([4, 6, 9, 16, 24, 40, 64, 100, 128, 250, 500, 1000, 2000]))) * size
    channels = int(r.choice([1, 2, 3, 4, 5, 8])) if m > 100 else int(r.choice([2, 3, 5, 8, 16, 24]))
    if m * channels > 2500 * size:
        channels = max(1, 2500 * size // m)
    if layout == 'NC':
        return layout, (m, channels)
    inner = int(r.choice([2, 4, 5])) if m < 60 else int(r.choice([4, 9, 20]))
    outer = max(2, m // inner)
    if layout in ('NCL', 'NLC'):
        return layout, (outer, channels, inner) if layout == 'NCL' else (outer, inner, channels)
    h, w = {2: (1, 2), 4: (2, 2), 5: (1, 5), 9: (3, 3), 20: (4, 5)}[inner]
    return layout, (outer, channels, h, w) if layout == 'NCHW' else (outer, h, w, channels)


def drawn_rows(r, kind, m, channels, eps):
    """Values of a kind: name, or (offset, deviation)."""
    z = r.standard_normal((m, channels))
    if kind == 'normal':
        return z
    if kind == 'mild':
        return z * r.uniform(0.3, 3, channels) + r.uniform(-1, 1, channels)
    if kind == 'small':  # variances about ε
        s = np.sqrt(eps) * r.uniform(0.5, 4, channels)
        return s * (z + r.uniform(-2, 2, channels))
    if kind == 'skewed':
        return np.exp(z) - 1
    if kind == 'constant':
        x = z * r.uniform(0.3, 3, channels)
        x[:, int(r.integers(channels))] = 0.3
        return x
    if kind == 'scales':
        return z * 10.0 ** r.uniform(-2, 1, channels) + r.uniform(-1, 1, channels) * 0.01
    offset, deviation = kind
    return offset * r.uniform(0.8, 1.2, channels) + deviation * z


def drawn_case(r, kind, dtype, layout, shape, eps=1e-5, momentum=0.1, gradients=False, running=False, affine=True):
    axis = LAYOUTS[layout] % len(shape)
    case = Case(np.zeros(shape), axis, eps, momentum)
    channels = shape[axis]
    x = drawn_rows(r, kind, case.m, channels, eps)
    case.x = np.ascontiguousarray(case.array(x).astype(F32))
    if dtype == F64 and not (isinstance(kind, tuple) and kind[0] == 'f32'):
        case.x = np.ascontiguousarray(case.array(x)).astype(F64)
    if affine:
        case.gamma = (r.uniform(0.5, 2, channels) * r.choice([1, 1, 1, -1], channels)).astype(dtype)
        case.beta = (r.standard_normal(channels) + 0.2).astype(dtype)
    if gradients:
        xhat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
        dy = r.standard_normal(x.shape) + r.uniform(-1, 1, channels) + 0.5 * xhat
        case.dy = np.ascontiguousarray(case.array(dy).astype(dtype))
    if running:
        v = np.maximum(x.var(axis=0), 1e-12)
        case.running = ((x.mean(axis=0) + r.standard_normal(channels) * np.sqrt(v)).astype(dtype),
                        (v * r.uniform(0.4, 2.5, channels)).astype(dtype))
    return case


def drawn_kernel(r, dtype, statistics=None):
    return Kernel(dtype, str(r.choice(['sequential', 'blocks', 'lanes', 'halves'])),
                  statistics or str(r.choice(['two-pass', 'welford'])), str(r.choice(['centred', 'scaled', 'shifted'])),
                  int(r.integers(1 << 31)), int(r.choice([4, 8, 16, 64])))


STATISTICS = ['mean', 'variance', 'inverse_std']
GRADIENTS = ['dx', 'dgamma', 'dbeta']
RUN = list(RUNNING)
EASY = ['normal', 'mild', 'skewed', 'scales', 'constant', (3.0, 1.0), (100.0, 10.0)]
# Per set of names: data, outputs that are given, options of drawing.
FEW = [4, 6, 9, 16, 40]
NORMALISING = [['y'], ['y'], ['y'] + STATISTICS, ['inverse_std'], ['y', 'inverse_std'], ['y'] + GRADIENTS,
               ['dx', 'dgamma']]
FORWARD = [['y'], ['y', 'mean', 'variance'], ['inverse_std'], ['y'] + STATISTICS]
AFTER = [RUN, ['y'] + RUN, ['running_variance', 'running_mean', 'mean', 'variance'], ['y'] + STATISTICS + RUN]
OFFSETS = [(100.0, 0.1), (1e3, 1.0), (1e4, 1.0), (1e4, 3.0), (3e3, 0.5), (1e3, 0.1)]
MILD = ['mild', 'skewed', 'normal', (3.0, 1.0)]

SINGLES = {
    'unbiased_variance': dict(data=EASY, given=NORMALISING + [['variance'], ['mean', 'variance']],
                              m=FEW + [24, 64, 128, 250]),
    'biased_running_variance': dict(data=EASY, given=AFTER, m=FEW + [24, 64, 128]),
    'momentum_old': dict(data=EASY + [(1e3, 5.0)], given=AFTER),
    'eps_missing': dict(data=['small', 'small', 'mild'], given=NORMALISING),
    'eps_outside_root': dict(data=['small', 'small', 'mild'], given=FORWARD),
    'eps_1e-3': dict(data=['small', 'normal', 'mild', 'scales', 'constant'], given=NORMALISING),
    'eps_in_running_variance': dict(data=['small'], given=AFTER),
    'variance_as_inverse_std': dict(data=EASY,
                                    given=[['inverse_std'], ['y', 'mean', 'inverse_std'], ['y'] + STATISTICS]),
    'std_as_variance': dict(data=EASY, given=[['variance'], ['y', 'mean', 'variance'], ['y'] + STATISTICS]),
    'one_pass_f32': dict(data=OFFSETS, dtypes=[F32], given=[['y'], ['y', 'mean', 'variance'], ['variance'],
                                                            ['y'] + GRADIENTS, ['inverse_std']]),
    'one_pass_f32_clipped': dict(data=[(1e4, 0.1), (1e4, 0.3), (3e3, 0.02)], dtypes=[F32],
                                 given=[['y'], ['y', 'mean', 'variance'], ['variance'], ['y', 'inverse_std']]),
    'welford_f32': dict(data=['normal', 'mild', 'skewed', (100.0, 1.0), (1e4, 1.0)], dtypes=[F64],
                        given=[['y'], ['y'] + STATISTICS, ['mean', 'variance'], ['y'] + GRADIENTS]),
    'two_pass_f32': dict(data=['normal', 'mild', 'skewed', (100.0, 1.0), (1e4, 1.0)], dtypes=[F64],
                         given=[['y'], ['y'] + STATISTICS, ['mean', 'variance'], ['y'] + GRADIENTS]),
    'gamma_missing': dict(data=EASY, given=[['y'], ['y'] + STATISTICS, ['y', 'dx'], ['dx', 'dgamma', 'dbeta']]),
    'beta_missing': dict(data=EASY, given=[['y'], ['y'] + STATISTICS, ['y'] + GRADIENTS]),
    'gamma_beta_swapped': dict(data=EASY, given=[['y'], ['y'] + STATISTICS, ['y', 'dx'], ['dx']]),
    'wrong_axis': dict(data=MILD, given=[['y'], ['y'], ['y', 'mean', 'variance']]),
    'stale_statistics': dict(data=EASY, given=[['y'], ['y'], ['y', 'mean', 'variance'], ['dx'],
                                                    ['inverse_std', 'mean']]),
    'wrong_count': dict(data=MILD, given=[RUN, ['y'] + RUN, ['y', 'mean', 'variance'], ['y'], ['dx']],
                        m=[16, 24, 40, 64, 100]),
}
PAIRS = [
    ('momentum_old', 'biased_running_variance', dict(data=EASY, given=AFTER, m=FEW)),
    ('eps_1e-3', 'unbiased_variance', dict(data=['small', 'normal', 'mild'], given=FORWARD, m=FEW)),
    ('eps_1e-3', 'biased_running_variance', dict(data=['small', 'normal', 'mild'], given=[['y'] + RUN], m=FEW)),
    ('eps_1e-3', 'momentum_old', dict(data=['small', 'normal', 'mild'], given=[['y'] + RUN, ['inverse_std'] + RUN])),
    ('eps_outside_root', 'unbiased_variance', dict(data=['small'], given=FORWARD, m=FEW)),
    ('eps_missing', 'unbiased_variance', dict(data=['small'], given=FORWARD, m=FEW)),
    ('gamma_missing', 'beta_missing', dict(data=EASY, given=[['y'], ['y'] + STATISTICS])),
    ('gamma_missing', 'eps_1e-3', dict(data=['small', 'mild'], given=[['y'], ['y', 'dx']])),
    ('beta_missing', 'unbiased_variance', dict(data=MILD, given=[['y']], m=FEW)),
    ('gamma_beta_swapped', 'eps_1e-3', dict(data=['small', 'mild'], given=[['y']])),
    ('gamma_beta_swapped', 'unbiased_variance', dict(data=MILD, given=[['y'], ['y', 'variance']], m=FEW)),
    ('stale_statistics', 'eps_1e-3', dict(data=['small', 'mild'], given=[['y'], ['y', 'dx']])),
    ('stale_statistics', 'gamma_missing', dict(data=MILD, given=[['y']])),
    ('eps_in_running_variance', 'momentum_old', dict(data=['small'], given=[RUN, ['y'] + RUN])),
    ('eps_in_running_variance', 'biased_running_variance', dict(data=['small'], given=[RUN, ['y'] + RUN], m=FEW)),
    ('std_as_variance', 'unbiased_variance', dict(data=MILD, given=[['variance'], ['y', 'mean', 'variance']], m=FEW)),
    ('variance_as_inverse_std', 'momentum_old', dict(data=MILD, given=[['y'] + STATISTICS + RUN])),
    ('variance_as_inverse_std', 'unbiased_variance', dict(data=MILD, m=FEW,
                                                           given=[['y', 'inverse_std'], ['inverse_std']])),
    ('one_pass_f32', 'gamma_missing', dict(data=[(300.0, 1.0), (100.0, 0.3)], dtypes=[F32], m=FEW,
                                            given=[['y', 'variance'], ['y']])),
    ('one_pass_f32', 'momentum_old', dict(data=[(300.0, 1.0), (1e3, 1.0)], dtypes=[F32], m=FEW,
                                           given=[['y', 'variance'] + RUN])),
    ('unbiased_variance', 'two_pass_f32', dict(data=['mild', 'normal'], dtypes=[F64], m=FEW,
                                                 given=[['y'], ['variance', 'mean']])),
    ('eps_1e-3', 'two_pass_f32', dict(data=['small', 'mild'], given=[['y'], ['y'] + STATISTICS], dtypes=[F64])),
    ('momentum_old', 'two_pass_f32', dict(data=['mild', 'skewed'], given=[RUN, ['y'] + RUN], dtypes=[F64])),
    ('wrong_axis', 'eps_1e-3', dict(data=MILD, given=[['y']])),
    ('momentum_old', 'biased_running_variance', dict(data=EASY, given=[RUN], m=FEW, dtypes=[F64])),
    ('std_as_variance', 'biased_running_variance', dict(data=MILD, given=[STATISTICS + RUN], m=FEW)),
    ('gamma_missing', 'welford_f32', dict(data=['mild', 'skewed'], given=[['y']], dtypes=[F64])),
    ('wrong_axis', 'gamma_missing', dict(data=MILD, given=[['y']])),
]


def with_wrong_view(r, case, layout, shape):
    """Another axis of the same length, or the memory read in the other order of axes; the reading, or None."""
    axis, channels = case.axis, shape[case.axis]
    others = [k for k, s in enumerate(shape) if k != axis and s > 1 and (case.gamma is None or s == channels)]
    if others and (layout in ('NC',) or r.random() < 0.6):
        k = int(r.choice(others))
        case.wrong_view = (shape, k)
        return f'channels taken along axis {k}'
    if layout == 'NC':
        return None
    inner = [s for i, s in enumerate(shape) if i not in (0, axis)]
    if layout in ('NCHW', 'NCL'):
        case.wrong_view = ((shape[0], *inner, channels), len(shape) - 1)
    else:
        case.wrong_view = ((shape[0], channels, *inner), 1)
    return 'memory read in the other order of axes'


def with_wrong_count(r, case, layout, shape, given):
    """A count that isn't m, and what is divided by it; the reading, or None."""
    inner = case.m // shape[0] if layout != 'NC' else 1
    candidates = [case.m + 1, 1 << case.m.bit_length()]  # or padded to a power of two
    if inner > 1:
        candidates = [shape[0], inner, case.m + 1]
    case.wrong_count = int(r.choice([c for c in candidates if c > 1 and c not in (case.m, case.m - 1)]))
    if 'running_variance' in given:
        case.count_reading = 'bessel'
    elif 'dx' in given:
        case.count_reading = 'gradient'
    else:
        case.count_reading = str(r.choice(['variance', 'both']))
    what = {'bessel': 'm/(m − 1) of the running variance', 'gradient': 'sums of dx over m',
            'variance': 'the variance alone', 'both': 'mean and variance'}[case.count_reading]
    return f'{what} with m = {case.wrong_count} for {case.m}'


def data_name(kind):
    return kind if isinstance(kind, str) else f'{kind[0]:g} + {kind[1]:g} N(0,1)'


class Writer:
    def __init__(self, folder):
        self.folder, self.rows = Path(folder), []
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, label, case, layout, given, theirs, expected, note, also=(), times=('', ''), extra=''):
        name = f'{len(self.rows) + 1:03d}-{label}'
        members = {'x': case.x, **{f'their_{k}': theirs[k] for k in given if k not in RUNNING}}
        options = [f'{name}.npz:x']
        if layout not in ('', 'NC'):
            options.append(f'--layout {layout}')
        for k in ('gamma', 'beta', 'dy'):
            if getattr(case, k) is not None:
                members[k] = getattr(case, k)
                options.append(f'--{k} {name}.npz:{k}')
        options.append(f'--eps {case.eps!r}')
        if case.running is not None:
            members['running_mean'], members['running_variance'] = case.running
            options.append(f'--running {name}.npz --momentum {case.momentum!r}')
        if extra:
            options.append(extra)
        options += [f'--{k.replace("_", "-")} {name}.npz:their_{k}' for k in given if k not in RUNNING]
        after = {k: theirs[k] for k in given if k in RUNNING}
        if after:
            np.savez(self.folder / f'{name}-after.npz', **after)
            options.append(f'--running-after {name}-after.npz')
        np.savez(self.folder / f'{name}.npz', **members)
        shape = '×'.join(map(str, case.x.shape))
        error, limit = (f'{t:.3g}' if t != '' else '' for t in times)
        note = f'{layout} {shape} {case.x.dtype.name}: {note}'.strip()
        self.rows.append([name, expected, ' '.join(also), ' '.join(options), error, limit, note])

    def close(self):
        with open(self.folder / 'cases.csv', 'w', newline='', encoding='utf-8') as f:
            w = csv.writer(f, lineterminator='\n')
            w.writerow(['case', 'expected', 'also', 'options', 'times_error', 'times_bound', 'note'])
            w.writerows(self.rows)


def convention_case(r, writer, names, plan, size):
    """Draws until a case shows its conventions."""
    names = frozenset(names)
    for attempt in range(400):
        given = list(plan['given'][int(r.integers(len(plan['given'])))])
        dtype = plan['dtypes'][0] if 'dtypes' in plan else (F32 if r.random() < 0.75 else F64)
        kind = plan['data'][int(r.integers(len(plan['data'])))]
        layouts = {'wrong_axis': ['NC', 'NCL', 'NHWC', 'NCHW', 'NLC'],
                   'wrong_count': ['NCHW', 'NHWC', 'NCL', 'NC']}
        layout = next((str(r.choice(v)) for k, v in layouts.items() if k in names), None)
        m = int(r.choice(plan['m'])) if 'm' in plan else None
        layout, shape = drawn_shape(r, size, layout, m)
        affine = bool(r.random() < 0.7) or bool(names & {'gamma_missing', 'beta_missing', 'gamma_beta_swapped'})
        if 'wrong_axis' in names and layout == 'NC':
            shape = (int(r.choice([8, 16, 24])),) * 2
        running = 'running_mean' in given or 'stale_statistics' in names
        eps = 1e-5 if r.random() < 0.8 else float(r.choice([1e-4, 1e-6]))
        momentum = 0.1 if r.random() < 0.7 else float(r.choice([0.05, 0.3]))
        case = drawn_case(r, kind, dtype, layout, shape, eps, momentum, 'dx' in given, running, affine)
        if names & set(ARITHMETIC) and dtype == F64:
            case.x = case.x.astype(F32).astype(F64)
            case.gamma, case.beta, case.dy = (
                None if v is None else v.astype(F32).astype(F64) for v in (case.gamma, case.beta, case.dy))
            if case.running is not None:
                case.running = tuple(v.astype(F32).astype(F64) for v in case.running)
        readings = []
        if 'wrong_axis' in names:
            reading = with_wrong_view(r, case, layout, shape)
            if reading is None:
                continue
            view, along = case.wrong_view
            if 'mean' in given and view[along] != shape[case.axis]:
                continue
            readings.append(reading)
        if 'wrong_count' in names:
            readings.append(with_wrong_count(r, case, layout, shape, given))
        if 'variance_as_inverse_std' in names:
            case.inverse_std_for_variance = len(names) == 1 and r.random() < 0.4
            if case.inverse_std_for_variance:
                given = ['variance' if g == 'inverse_std' else g for g in given if g != 'variance']
            readings.append('variance holds the inverse std' if case.inverse_std_for_variance
                            else 'inverse std holds the variance')
        if 'std_as_variance' in names:
            case.std_with_eps = bool(r.random() < 0.3)
            readings.append('variance holds √(V + ε)' if case.std_with_eps else 'variance holds √V')
        algorithm = next((ARITHMETIC[n] for n in names if n in ARITHMETIC), None)
        kernel = drawn_kernel(r, F32 if algorithm else dtype, algorithm)
        theirs = stored(results(case, names, kernel), dtype)
        if 'one_pass_f32_clipped' in names:
            unclipped = results(case, (), kernel.but(statistics='one-pass'))
            if not (unclipped['variance'] < 0).any():
                continue
        verdict = examined(case, given, names, kernel, theirs, dtype)
        if verdict is None:
            continue
        note = '; '.join([data_name(kind), str(kernel)] + readings)
        label = '-'.join(sorted(n.replace('_', '') for n in names))
        writer.write(label, case, layout, given, theirs, '+'.join(sorted(names)), note, verdict[2], verdict[:2])
        return
    raise SystemExit(f'no case of {"+".join(sorted(names))} in {attempt + 1} attempts')


def right_case(r, writer, number, size):
    kinds = ['normal', 'mild', 'small', 'skewed', 'constant', 'scales', (3.0, 1.0), (100.0, 1.0), (1e3, 1.0),
             (1e4, 1.0), (1e4, 0.1), (-1e5, 3.0)]
    kind = kinds[number % len(kinds)]
    dtype = F64 if number % 4 == 3 else F32
    given = [['y'], ['y'] + STATISTICS, ['y'] + STATISTICS + RUN, ['y'] + GRADIENTS, RUN,
             ['y'] + STATISTICS + RUN + GRADIENTS][int(r.integers(6))]
    names, extra = (), ''
    if 'running_mean' in given and number % 3 == 0:
        extra = '--convention ' + str(r.choice(['onnx', 'keras']))
        names = ('momentum_old', 'biased_running_variance')
    for _ in range(100):  # where a right kernel may be anything, its results say nothing
        layout, shape = drawn_shape(r, size)
        case = drawn_case(r, kind, dtype, layout, shape, float(r.choice([1e-5, 1e-5, 1e-3])), 0.1, 'dx' in given,
                          'running_mean' in given, bool(r.random() < 0.7))
        kernel = drawn_kernel(r, dtype)
        theirs = stored(results(case, names, kernel), dtype)
        moved, limit = distance(case, given, theirs, results(case, names, EXACT)), bound(case, given, dtype)
        times = '', largest_ratio(moved, limit)
        if times[1] <= 1 and all(np.isfinite(v).all() for v in limit.values()):
            break
    else:
        raise SystemExit(f'no right case of {data_name(kind)}')
    note = f'{data_name(kind)}; {kernel}'
    writer.write('right', case, layout, given, theirs, 'PASSED', note, times=times, extra=extra)


# ---------------------------------------------------------------------------------------------
# Corruptions: a right kernel's results, then an accident that is no convention.

def flipped(a, r, bit):
    a = a.copy()
    bits = a.reshape(-1).view(np.uint32 if a.dtype == F32 else np.uint64)
    bits[int(r.integers(bits.size))] ^= bits.dtype.type(1 << bit)
    return a


def some(a, r, count, change):
    a = a.copy()
    where = r.choice(a.size, min(count, a.size), replace=False)
    a.reshape(-1)[where] = change(a.reshape(-1)[where])
    return a


def of_rows(change):
    return lambda case, a, r: case.array(change(case.rows(a).copy(), r))


def column(a, r, change):
    c = int(r.integers(a.shape[1]))
    a[:, c] = change(a[:, c])
    return a


def swapped_columns(a, r):
    a[:, [0, 1]] = a[:, [1, 0]]
    return a


def repeated_tile(a, r):
    tile = len(a) // 4
    a[tile:2 * tile] = a[:tile]
    return a


def unwritten_tail(a, r):
    a[-max(1, len(a) // 5):] = 0
    return a


def swapped_rows(a, r):
    i, j = r.choice(len(a), 2, replace=False)
    a[[i, j]] = a[[j, i]]
    return a


def input_gradient(case, first, second, of_y=False):
    """dx with its terms weighed oddly, or with y for x̂."""
    x, dy = (case.rows(v).astype(F64) for v in (case.x, case.dy))
    inverse = 1 / np.sqrt(x.var(axis=0) + case.eps)
    xhat = (x - x.mean(axis=0)) * inverse
    weight = xhat * case.gamma + case.beta if of_y else xhat
    dx = case.gamma * inverse * (dy - first * dy.mean(axis=0) - second * weight * (dy * xhat).mean(axis=0))
    return case.array(dx).astype(case.x.dtype)


CORRUPTIONS = [
    ('a bit of an exponent flipped', 'y', lambda case, a, r: flipped(a, r, 24)),
    ('a high bit of a mantissa flipped', 'y', lambda case, a, r: flipped(a, r, 21)),
    ('three elements off by 2 %', 'y', lambda case, a, r: some(a, r, 3, lambda v: v * 1.02 + 0.01)),
    ('a channel zeroed', 'y', of_rows(lambda a, r: column(a, r, lambda v: 0))),
    ('two channels exchanged', 'y', of_rows(swapped_columns)),
    ('noise of 0.005 added', 'y', lambda case, a, r: a + 0.005 * r.standard_normal(a.shape)),
    ('two rows exchanged', 'y', of_rows(swapped_rows)),
    ('a tile written twice', 'y', of_rows(repeated_tile)),
    ('scaled by 1.0007', 'y', lambda case, a, r: a * 1.0007),
    ('the sign of a channel turned', 'y', of_rows(lambda a, r: column(a, r, lambda v: -v))),
    ('rows off by one', 'y', of_rows(lambda a, r: np.roll(a, 1, axis=0))),
    ('the last rows not written', 'y', of_rows(unwritten_tail)),
    ('clipped to ±1', 'y', lambda case, a, r: np.clip(a, -1, 1)),
    ('rounded to multiples of 1/64', 'y', lambda case, a, r: np.round(a * 64) / 64),
    ('the mean of dy taken twice', 'dx', lambda case, a, r: input_gradient(case, 2, 1)),
    ('a third of the second term', 'dx', lambda case, a, r: input_gradient(case, 1, 1 / 3)),
    ('y for x̂ in the second term', 'dx', lambda case, a, r: input_gradient(case, 1, 1, True)),
    ('the sign of a value turned', 'dgamma', lambda case, a, r: some(a, r, 1, lambda v: -v)),
    ('variances off by some 3 %', 'variance', lambda case, a, r: a * (1 + 0.03 * r.uniform(-1, 1, a.shape))),
    ('a value taken from the neighbour', 'running_mean', lambda case, a, r: np.concatenate([a[1:2], a[1:]])),
]


def corrupt_case(r, writer, number, size):
    what, output, change = CORRUPTIONS[number % len(CORRUPTIONS)]
    dtype = F32 if what.startswith('a bit') or what.startswith('a high') or number % 4 else F64
    while True:
        layout, shape = drawn_shape(r, size, m=int(r.choice([40, 64, 100, 200])))
        if shape[LAYOUTS[layout]] >= 3:
            break
    kind = ['normal', 'mild', 'skewed', (1.0, 1.0)][number % 4]
    given = {'y': ['y'], 'dx': ['y', 'dx'], 'dgamma': ['y'] + GRADIENTS, 'variance': STATISTICS,
             'running_mean': ['y'] + RUN}[output]
    if output == 'y' and number % 2:
        given = ['y'] + STATISTICS
    case = drawn_case(r, kind, dtype, layout, shape, gradients='dx' in given, running='running_mean' in given)
    kernel = drawn_kernel(r, dtype)
    theirs = stored(results(case, (), kernel), dtype)
    truth = results(case, (), EXACT)
    error = error_of_right(case, given, truth, kernel)
    clean = theirs[output]
    for _ in range(100):  # a flipped bit of a tiny element is no visible accident
        theirs[output] = change(case, clean, r).astype(dtype)
        moved = distance(case, given, theirs, truth)
        times = largest_ratio(moved, error), largest_ratio(moved, bound(case, given, dtype))
        one_pass = largest_ratio(moved, bound(case, given, F32, one_pass=True))
        if times[0] >= ROOM['error'] and one_pass >= ROOM['bound']:
            break
    else:
        raise SystemExit(f'{what}: not visible')
    note = f'{data_name(kind)}; {kernel}; {what} in {output}'
    writer.write('corrupt', case, layout, given, theirs, 'none', note, times=times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--count', type=int, default=100)
    parser.add_argument('--size', type=int, default=1)
    arguments = parser.parse_args()
    writer = Writer(arguments.folder)
    plans = [((name,), plan) for name, plan in SINGLES.items()]
    pairs = [((a, b), plan) for a, b, plan in PAIRS]
    singles = arguments.count * 76 // 100
    for i in range(arguments.count):
        names, plan = plans[i % len(plans)] if i < singles else pairs[(i - singles) % len(pairs)]
        convention_case(np.random.default_rng([arguments.seed, 0, i]), writer, names, plan, arguments.size)
    for i in range(arguments.count * 2 // 5):
        right_case(np.random.default_rng([arguments.seed, 1, i]), writer, i, arguments.size)
    for i in range(arguments.count // 5):
        corrupt_case(np.random.default_rng([arguments.seed, 2, i]), writer, i, arguments.size)
    writer.close()
    size = sum(f.stat().st_size for f in writer.folder.iterdir())
    print(f'{len(writer.rows)} cases in {writer.folder}, {size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
