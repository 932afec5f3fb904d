#!/usr/bin/env python3
"""Makes reparameterized/*.npz and reparameterized/manifest.csv: batch norm written into the weights before it.

    BN(X·W) = X·W^ + b^,   W^_k = gamma_k·w_k / sqrt(w_k' S w_k + eps),   b^_k = beta_k - mean·W^_k

with mean and S, the biased covariance, of the columns of X, and a unit k for each column w_k of W. As in
make_golden.py, all sums are exact fractions, and nothing but Python's standard library is used:

    R1  mean_i = RN(sum x_i / m)
    R2  S_ij   = RN((m·sum x_i·x_j - sum x_i · sum x_j) / m^2)
    R3  q_k    = max(RN(w_k' S w_k), +0), S rounded, the rest one exact sum
    R4  W^_ik  = RN_T(a_k·w_ik), a_k = gamma_k·s_k, s_k = RN(1/sqrt(q_k + eps)), q_k rounded, q_k + eps exact
    R5  b^_k   = RN_T(fma(-r_k, a_k, beta_k)), r_k = RN(sum_i mean_i·w_ik)

T is the type of W; `·` in R4 is a binary64 product. Weight normalization is S = I and eps = 0, without a mean.
Gradients, of an upstream dY, are the exact ones through mean and S, rounded once to binary64: they are to be met
within a bound. With G = (X - mean)' dY, B_k = w_k' G_k and nothing rounded,

    dbeta_k = sum dY_k,  dgamma_k = B_k / sqrt(q_k + eps),
    dW_k    = gamma_k / sqrt(q_k + eps) · (G_k - S w_k · B_k / (q_k + eps)).

For weight normalization G = X' dY, q = |w_k|^2 and S = I.

    python3 make_reparameterized.py [DIRECTORY]        (default: reparameterized beside this script)
"""
import math
import random
import sys
from fractions import Fraction
from pathlib import Path

sys.dont_write_bytecode = True  # what lies here is packed as test data
from make_golden import (
    F16, F32, F64, INF, NAN, NPY, RN, RN_root, Sum, around, draw, floor_log2, fma, given_statistics, goes_wrong,
    integers, log_uniform, non_finite, normal, npz, put, scale, signed_integers, table, times, to, write)

COLUMNS = 'name,mode,x_dtype,w_dtype,eps,gradients,constant,seed,why'.split(',')
made = {}

# ---------------------------------------------------------------------------------------------
# The mathematics. xs holds the columns of X, ws those of W.


def covariance_of(xs):
    """S before R2 rounds it; None where a column is not finite."""
    m, sums = len(xs[0]), [None if non_finite(x) is not None else Sum(x) for x in xs]
    return [[None if a is None or b is None else (m * Sum(x, y) - a * b) / m ** 2 for y, b in zip(xs, sums)]
            for x, a in zip(xs, sums)]


def form(w, S):
    """w' S w, exactly."""
    return sum(Fraction(a) * Sum(row, w) for a, row in zip(w, S))


def unit(w, S, mean, gamma, beta, eps, T):
    """q, W^ and b^ of a column of W; also a and r. For weight normalization S and mean are None."""
    if non_finite(w) is not None or S and any(non_finite(row) is not None for row in S):
        q = NAN
    else:
        q = RN(form(w, S) if S else Sum(w, w))  # R3
        q = q if q > 0 else 0.0
    s = given_statistics(0.0, q, eps)
    if S:
        s['variance'] = q  # as in training, q + eps = 0 makes a = +0
    a = scale(s, gamma)
    weights = [to(T, a * v) for v in w]  # R4
    if not S:
        assert q != 0 or not any(w), 'not settled: |w|^2 underflows'
        return dict(q=q, a=a, weights=weights, bias=to(T, beta), constant=s['q'] == 0)
    r = RN(Sum(mean, w)) if q == q else NAN
    return dict(q=q, a=a, r=r, weights=weights, bias=to(T, fma(-r, a, beta)), constant=s['q'] == 0)  # R5


def gradients(xs, g, w, S, gamma, eps):
    """dW_k, dgamma_k and dbeta_k for g = dY_k, each rounded once. S is exact; None for weight normalization."""
    m = len(g)
    G = [Sum(x, g) - (Sum(x) * Sum(g) / m if S else 0) for x in xs]
    Sw = [Sum(row, w) for row in S] if S else [Fraction(v) for v in w]
    B, q = Sum(G, w), Sum(Sw, w) + Fraction(eps)
    over_root = lambda z: RN_root(z ** 2 / q, z < 0) if z != 0 else 0.0
    return [over_root(Fraction(gamma) * (h - v * B / q)) for h, v in zip(G, Sw)], over_root(B), RN(Sum(g))


# ---------------------------------------------------------------------------------------------
# What the cases are to catch: roads that look right, and how many units each leads astray.


def wrong_roads(w, S, exact, mean, gamma, beta, eps, T, u):
    q, a, r, e = u['q'], u['a'], u['r'], Fraction(eps)
    clamped = lambda v: v if v > 0 else 0.0
    out = {
        'q is not clamped': RN(form(w, S)) < 0,
        'q from products rounded on the way': clamped(RN(Sum([RN(Sum(row, w)) for row in S], w))) != q,
        'r summed in binary64': sum((x * v for x, v in zip(mean, w)), 0.0) != r,
        'b^ without fma': to(T, beta - r * a) != u['bias'],
        'b^ from W^ rounded': to(T, RN(Fraction(beta) - Sum(mean, u['weights']))) != u['bias']
        if all(map(math.isfinite, [beta, *u['weights']])) else False,
    }
    if exact:
        out['q from S not rounded'] = clamped(RN(form(w, exact))) != q
    if q > 0 and math.isfinite(a):
        z = Fraction(q) + e
        s = RN_root(1 / z)
        out['q + eps rounded'] = RN_root(1 / Fraction(RN(z))) != s
        out['root rounded before its inverse'] = RN(1 / Fraction(RN_root(z))) != s
        product = [RN(Fraction(gamma) * Fraction(s) * Fraction(v), T) for v in w]
        out['a and a·w not rounded to binary64'] = product != u['weights']
        out['(gamma·w)·s for (gamma·s)·w'] = [to(T, gamma * v * s) for v in w] != u['weights']
    if T == F16:
        out['f16 by way of f32'] = goes_wrong([[a * v for v in w] + [fma(-r, a, beta)]])
    return out


def tie(q):
    """Whether q is exactly between two binary64."""
    return q != 0 and (abs(q) / Fraction(2) ** (floor_log2(abs(q)) - 52)).denominator == 2


astray = {}

# ---------------------------------------------------------------------------------------------
# Cases.


def case(name, seed, why, x_dtype, w_dtype, shape, x=normal, w=normal, gamma=normal, beta=normal, eps=1e-5, dy=None,
         given=None, weight_norm=False, ties=None, check=None):
    """Makes one case of shape = (m, d, units). Data are functions of (random, column, row), W, gamma and beta with a
    unit for the column. given = (mean, S), lists that stand in for x. `dy` is of the type of w. `ties`: the member,
    covariance or q, some exact values of which must be exactly between two binary64. `beta` may be 'cancels'.
    `check` is asked whether the units are what the case is for."""
    mode = 'weight-norm' if weight_norm else 'given' if given else 'batch'
    name = f'{name}-{x_dtype}-{w_dtype}' if mode == 'batch' else f'{name}-{w_dtype}'
    assert name not in made, name
    r = random.Random(seed)
    m, d, units = shape
    T, TX = NPY[w_dtype][2], NPY[x_dtype][2]
    xs = draw(r, x, TX, d, m) if mode == 'batch' or dy else None
    ws = draw(r, w, T, units, d)
    dys = draw(r, dy, T, units, m)
    gammas, betas = (None if f is None or f == 'cancels' else [v[0] for v in draw(r, f, F64, units, 1)]
                     for f in (gamma, beta))
    rows = lambda columns: [v for row in zip(*columns) for v in row]
    members, exact = {}, None
    if xs:
        members['x'] = (x_dtype, (m, d), rows(xs))
    if mode == 'batch':
        mean = [RN(Sum(v) / m) if non_finite(v) is None else non_finite(v) for v in xs]  # R1
        exact = covariance_of(xs)
        S = [[NAN if v is None else RN(v) for v in row] for row in exact]  # R2
        if any(None in row for row in exact):
            exact = None
    else:
        mean, S = given or (None, None)
    if given:
        members['mean'] = ('f64', (d,), mean)
        members['covariance'] = ('f64', (d, d), sum(S, []))
    members['w'] = (w_dtype, (d, units), rows(ws))
    if gamma:
        members['gamma'] = ('f64', (units,), gammas)
    g = gammas or [1.0] * units
    if beta == 'cancels':  # r·a as binary64 has it: what R5 leaves is the rounding of that product
        us = [unit(v, S, mean, g[k], 0.0, eps, T) for k, v in enumerate(ws)]
        betas = [u['r'] * u['a'] for u in us]
    if beta:
        members['beta'] = ('f64', (units,), betas)
    b = betas or [0.0] * units
    members['eps'] = ('f64', (), [eps])
    if dy:
        members['dy'] = (w_dtype, (m, units), rows(dys))

    us = [unit(v, S, mean, g[k], b[k], eps, T) for k, v in enumerate(ws)]
    if mode == 'batch':
        members['mean'] = ('f64', (d,), mean)
        members['covariance'] = ('f64', (d, d), sum(S, []))
    members['q'] = ('f64', (units,), [u['q'] for u in us])
    members['weights'] = (w_dtype, (d, units), rows([u['weights'] for u in us]))
    members['bias'] = (w_dtype, (units,), [u['bias'] for u in us])
    if dy:
        grads = [gradients(xs, dys[k], v, exact, g[k], eps) for k, v in enumerate(ws)]
        members['dweights'] = ('f64', (d, units), rows([v[0] for v in grads]))
        members['dgamma'] = ('f64', (units,), [v[1] for v in grads])
        members['dbeta'] = ('f64', (units,), [v[2] for v in grads])

    for k, (v, u) in enumerate(zip(ws, us)):
        if mode != 'weight-norm' and u['q'] < INF:
            for road, wrong in wrong_roads(v, S, exact, mean, g[k], b[k], eps, T, u).items():
                astray[road] = astray.get(road, 0) + wrong
    assert ties != 'covariance' or any(tie(v) for row in exact for v in row), name
    assert ties != 'q' or any(tie(form(v, S)) for v in ws), name
    assert check is None or check(ws, S, us), name
    constant = ' '.join(str(k) for k, u in enumerate(us) if u['constant'])
    row = [name, mode, x_dtype if xs else '', w_dtype, repr(eps), 'within' if dy else '', constant, seed, why]
    made[name] = (row, npz(members))


def given_case(name, seed, why, w_dtype, mean, S, w, **more):
    case(name, seed, why, 'f64', w_dtype, (0, len(S), len(w)), w=table(*w), given=(mean, S), **more)


def weight_norm(name, seed, why, w_dtype, shape, **more):
    case('weight-norm-' + name, seed, why, w_dtype, w_dtype, shape, eps=0.0, weight_norm=True, **more)


def near_columns(seed, m, size):
    """Three columns, the second the first and something of the given size."""
    r = random.Random(seed)
    first, third = ([Fraction(RN(normal(r), F32)) for _ in range(m)] for _ in range(2))
    return lambda r, c, k: third[k] if c == 2 else first[k] + (size * normal(r) if c == 1 else 0)


def third_is_sum(seed, m):
    """Three columns of integers, the third the sum of the others."""
    r = random.Random(seed)
    first, second = ([r.getrandbits(8) - 128 for _ in range(m)] for _ in range(2))
    return lambda r, c, k: (first[k], second[k], first[k] + second[k])[c]


def all_cases():
    for x in 'f16', 'f32', 'f64':
        for w in 'f16', 'f32', 'f64':
            case('plain', 1, 'plain random data of every pair of types', x, w, (8, 3, 2),
                 dy=normal if x == w else None)
    case('no-affine', 2, 'absent gamma is 1 and absent beta +0', 'f32', 'f32', (11, 3, 2), gamma=None, beta=None)
    case('many', 4, 'm = 40, 8 features, 8 units', 'f32', 'f32', (40, 8, 8))

    case('mean-1e4', 10, 'mean 1e4 in steps of 8', 'f16', 'f32', (9, 4, 2), around(10 ** 4, 30))
    case('mean-1e4', 11, 'mean 1e4, deviation 1', 'f32', 'f32', (9, 4, 2), around(10 ** 4), dy=around(10 ** 4))
    case('mean-1e6', 12, 'mean 1e6, deviation 1: b^ is large and cancels X·W^', 'f32', 'f64', (9, 4, 2),
         around(10 ** 6), dy=around(10 ** 6))
    case('mean-1e6', 13, 'b^ beyond 65504 becomes an infinity of f16', 'f32', 'f16', (9, 4, 2), around(10 ** 6))
    case('mean-1e10', 14, 'mean 1e10, deviation 1: one-pass formulas cancel all digits', 'f64', 'f64', (9, 4, 2),
         around(10 ** 10), dy=around(10 ** 6))

    case('few-rows', 20, 'm < d: S has rank 3 at most', 'f32', 'f32', (4, 8, 3), dy=normal)
    case('few-rows-eps0', 21, 'm < d and eps = 0', 'f64', 'f64', (4, 8, 3), eps=0.0)
    case('one-row', 22, 'm = 1: S = +0, so W^ = gamma·w/sqrt(eps)', 'f32', 'f32', (1, 4, 3))
    case('one-row-eps0', 23, 'm = 1 and eps = 0: every unit is constant, W^ = +-0 and b^ = beta', 'f64', 'f64',
         (1, 4, 3), eps=0.0)
    hair = lambda size: near_columns(24, 8, size)
    difference = table([1.0, -1.0, 0.0], [1.0, -1.0, 1e-9], [0.5, 0.25, 1.0])
    case('nearly-equal', 24, 'two columns 2^-20 apart and w their difference: S leaves four digits of q', 'f64', 'f64',
         (8, 3, 3), hair(Fraction(2) ** -20), difference, eps=0.0, dy=normal)
    case('nearly-equal', 25, 'two columns a few steps of f32 apart, with eps', 'f32', 'f32', (8, 3, 3),
         hair(Fraction(2) ** -22), difference, dy=normal)
    case('nearly-equal-lost', 31, '2^-30 apart: the rounded S gives w\' S w = 0, so the unit counts as constant, which '
         'it is not', 'f64', 'f64', (8, 3, 3), hair(Fraction(2) ** -30), difference, eps=0.0,
         check=lambda ws, S, us: us[0]['constant'])
    case('equal', 26, 'two equal columns and w their difference: q = 0 exactly, a = +0, W^ = +-0 and b^ = beta', 'f64',
         'f64', (8, 3, 3), hair(0), difference, eps=0.0, check=lambda ws, S, us: us[0]['q'] == 0)
    case('equal', 27, 'the same with eps: W^ = gamma·w/sqrt(eps)', 'f32', 'f16', (8, 3, 3), hair(0), difference)
    null = table([1.0, 1.0, -1.0], [-3.0, -3.0, 3.0], [1.0, 1.0, 1.0])
    case('null-space', 28, 'a column is the sum of two, m = 8, integers: S and q = 0 are exact', 'f32', 'f32',
         (8, 3, 3), third_is_sum(28, 8), null, eps=0.0, check=lambda ws, S, us: us[0]['q'] == us[1]['q'] == 0)
    null = table([1.0, 1.0, -1.0], [1.0, 1.0, -1 + 2.0 ** -52], [1.0, 1.0, 1.0])
    case('null-space-positive-eps0', 29, 'the same, m = 7: w\' S w is what rounding S left, positive', 'f64', 'f64',
         (7, 3, 3), third_is_sum(2, 7), null, eps=0.0, check=lambda ws, S, us: us[0]['q'] > 0)
    case('null-space-negative-eps0', 30, 'the same, negative: q is +0 and the unit constant', 'f64', 'f64', (7, 3, 3),
         third_is_sum(5, 7), null, eps=0.0,
         check=lambda ws, S, us: form(ws[0], S) < 0 and us[0]['constant'])

    case('gamma', 40, 'gamma negative, +0, -0, huge and tiny: W^ over- and underflows f32', 'f32', 'f32',
         (9, 2, 8), gamma=lambda r, c, k: (-1.0, 0.0, -0.0, 1e30, -1e300, 1e-30, 2.0 ** -400, 5e-324)[c])
    case('a-overflows', 41, 'a = +-Inf follows IEEE: W^ is an infinity, NaN where w is 0', 'f64', 'f64', (9, 2, 4),
         times(Fraction(1, 10 ** 20)), lambda r, c, k: 0.0 if (c, k) == (1, 0) else normal(r), eps=0.0,
         gamma=lambda r, c, k: (-1) ** c * 1e300)
    case('zero-column', 42, 'a column of W is 0, of both signs: W^ = +-0, b^ = beta', 'f32', 'f32', (9, 3, 4),
         w=lambda r, c, k: (normal(r), 0.0, -0.0, (-1) ** k * 0.0)[c])
    case('zero-column-eps0', 43, 'the same with eps = 0: a = +0, so the signs of gamma are lost', 'f32', 'f16',
         (9, 3, 4), w=lambda r, c, k: (normal(r), 0.0, -0.0, (-1) ** k * 0.0)[c], gamma=lambda r, c, k: -1.0, eps=0.0)
    case('signed-zeros', 44, 'zeros of both signs in x, w, gamma and beta', 'f64', 'f64', (4, 3, 5),
         table([0.0, -0.0, 1.0, -1.0], [-0.0] * 4, [-0.0, 2.0, 0.0, 1.0]),
         table([0.0, 1.0, -0.0], [-0.0, 1.0, 0.0], [0.0, -0.0, -0.0], [1.0, 0.0, 0.0], [-1.0, -0.0, 1.0]),
         lambda r, c, k: (1.0, -1.0, -2.0, -0.0, 0.0)[c], lambda r, c, k: (-0.0, 0.0, -0.0, -0.0, 0.0)[c])
    case('eps0', 45, 'eps = 0, ordinary data', 'f32', 'f32', (11, 4, 3), eps=0.0, dy=normal)
    case('eps1e-3', 46, 'eps = 1e-3', 'f64', 'f64', (11, 4, 3), eps=1e-3)
    case('eps-decides', 47, 'q about as large as eps: eps must meet q before a rounding', 'f64', 'f64', (11, 3, 8),
         times(Fraction(1, 300)), dy=normal)

    case('wide', 50, '1e30 and the f32 subnormal 1e-40 in one column', 'f32', 'f32', (8, 3, 3),
         lambda r, c, k: (1e30, 1e-40, 1.0)[k % 3] if c == 0 else normal(r), log_uniform(-40, 10))
    case('log-uniform', 51, '60 binades in x and w, signs mixed: w\' S w cancels', 'f64', 'f64', (12, 4, 4),
         log_uniform(-30, 30), log_uniform(-30, 30))
    case('subnormal', 53, 'subnormal x and W^ of f16', 'f16', 'f16', (9, 3, 3), times(Fraction(2) ** -18),
         times(Fraction(2) ** -20), eps=1.0)
    case('subnormal-s-eps0', 55, 'S and q are subnormal binary64, of a few bits', 'f64', 'f64', (9, 3, 3),
         times(Fraction(2) ** -530), eps=0.0)
    case('underflow-eps0', 56, 'S is right but w\' S w underflows: q = 0, so the unit counts as constant', 'f64',
         'f64', (9, 2, 3), w=lambda r, c, k: normal(r) * (1, Fraction(1, 10 ** 200), Fraction(1, 10 ** 160))[c],
         eps=0.0, check=lambda ws, S, us: us[1]['constant'] and not us[2]['constant'])
    case('1e200', 57, 'S overflows in one column: mean stays right, every q, W^ and b^ is NaN', 'f64', 'f64', (9, 3, 2),
         lambda r, c, k: normal(r) * (10 ** 200 if c == 1 else 1))
    case('q-overflows', 58, 'S is finite but w\' S w is not: q = +Inf, a = +-0, W^ = +-0, b^ = beta', 'f64', 'f64',
         (9, 2, 3), times(10 ** 150), lambda r, c, k: normal(r) * (1, 10 ** 10, 10 ** 10)[c],
         check=lambda ws, S, us: us[0]['q'] < INF == us[1]['q'])
    case('r-overflows', 59, 'a constant column at 1e300 takes r, so b^, beyond binary64', 'f64', 'f64', (9, 2, 3),
         lambda r, c, k: normal(r) if c else 1e300, lambda r, c, k: (-1) ** c * 1e10 if k == 0 and c < 2 else normal(r),
         check=lambda ws, S, us: math.isinf(us[0]['bias']))

    case('nan-x', 60, 'NaN in a column of x: its mean, row and column of S are NaN, and so is every unit', 'f32', 'f32',
         (5, 3, 2), put({(1, 2): NAN}))
    case('inf-x', 61, 'infinities in x: +Inf, -Inf and both; the means are +Inf, -Inf and NaN', 'f64', 'f64', (5, 4, 2),
         put({(0, 2): INF, (1, 0): -INF, (2, 1): INF, (2, 4): -INF}),
         lambda r, c, k: 0.0 if (c, k) == (0, 0) else normal(r))
    case('nan-inf-w', 62, 'NaN, +Inf, -Inf and both in W: their units are NaN, the others are not touched', 'f32',
         'f16', (7, 3, 6), w=put({(1, 0): NAN, (2, 1): INF, (3, 2): -INF, (4, 0): INF, (4, 1): -INF}))

    case('four-rows', 70, 'four rows of 24 bits: some covariances are exactly between two binary64', 'f32', 'f32',
         (4, 8, 2), signed_integers(24, 4), eps=0.0, ties='covariance')
    case('four-rows', 71, 'four rows of 27 bits: some covariances are exactly between two binary64', 'f64', 'f64',
         (4, 8, 2), signed_integers(27), eps=0.0, ties='covariance')
    identity = lambda n: [[float(i == j) for j in range(n)] for i in range(n)]
    case('given-q-midpoints', 73, 'w of 28 bits and S = I: some q are exactly between two binary64', 'f64', 'f64',
         (0, 2, 8), w=integers(28), given=([0.5, -0.25], identity(2)), eps=0.0, ties='q')
    step = 2.0 ** -30
    given_case('given-direct', 74, 'a hair beside an f16 midpoint, below the step of f32: by way of f32 W^ (0, 1) and '
               'b^ (2, 3) go wrong', 'f16', [0.0, 1.0], identity(2), [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]],
               eps=0.0, gamma=lambda r, c, k: (1 + 2.0 ** -11 + step, 1 + 3 * 2.0 ** -11 - step, 1.0, 1.0)[c],
               beta=lambda r, c, k: (0.0, 0.0, 2 + 2.0 ** -11 + step, 3 * 2.0 ** -11 - step)[c])
    given_case('given-rounds-twice', 75, 'a·1.5 lies a hair beside an f32 midpoint, and binary64 rounds it onto it',
               'f32', [0.0, 1.0], [[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.5], [-1.0, -1.5]], eps=0.0,
               gamma=lambda r, c, k: (1.00000003973643, 1.0000004371007283)[c],
               check=lambda ws, S, us: all(RN(Fraction(u['a']) * Fraction(w[1]), F32) != u['weights'][1]
                                           for w, u in zip(ws, us)))
    given_case('given-cancels', 76, 'beta is r·a as binary64 has it: b^ is the rounding that fma saves', 'f64',
               [1.1, -0.7], [[2.0, 0.5], [0.5, 3.0]], [[0.3, 0.9], [-1.7, 0.2], [1.0, 1.0]], beta='cancels',
               check=lambda ws, S, us: any(u['bias'] for u in us))
    given_case('given-at-overflow', 77, 'a·w on 65520, from which f16 rounds to infinity, and a hair below', 'f16',
               [0.0], [[1.0]], [[1.0], [-1.0], [1.0], [-1.0]], eps=0.0,
               gamma=lambda r, c, k: (65520.0, 65520.0, 65520 - 2.0 ** -30, 65520 - 2.0 ** -30)[c])

    indefinite = [[1.0, 2.0], [2.0, 1.0]]
    for eps in 1e-5, 0.0:
        given_case('given-indefinite' + ('-eps0' if eps == 0 else ''), 80,
                   'S has the eigenvalue -1: q is clamped to +0, or just positive', 'f32', [0.5, -2.0], indefinite,
                   [[1.0, -1.0], [3.0, -1.0], [1.0, 1.0], [4.0, -1.0]], eps=eps,
                   check=lambda ws, S, us: [u['q'] for u in us] == [0, 0, 6, 1])
    given_case('given-minus-zero', 81, 'w\' S w is negative and underflows: q is +0, not -0', 'f64', [1.0, 1.0],
               [[0.0, -1e-300], [-1e-300, 0.0]], [[1e-20, 1e-20], [1e-20, -1e-20]])
    given_case('given-not-finite', 82, 'an infinity in S: every unit is NaN, whatever w it meets', 'f32', [1.0, 2.0],
               [[INF, 1.0], [1.0, 2.0]], [[1.0, 2.0], [0.0, 1.0]])

    for t in 'f16', 'f32', 'f64':
        weight_norm('plain', 90, 'weight normalization: S = I, eps = 0', t, (9, 4, 3), dy=normal)
    weight_norm('no-affine', 91, 'absent gamma is 1 and absent beta +0: W^ is of length 1', 'f32', (0, 3, 2),
                gamma=None, beta=None)
    weight_norm('zero-column', 92, 'a zero column is 0/0: NaN, with b^ = beta; others are not touched', 'f32',
                (0, 3, 4), w=lambda r, c, k: (normal(r), 0.0, -0.0, normal(r))[c],
                gamma=lambda r, c, k: (-1.0, 1.0, 0.0, 0.0)[c])
    weight_norm('nan-inf', 93, 'NaN and infinities in W: the unit\'s W^ is NaN, b^ is beta', 'f64', (0, 3, 4),
                w=put({(1, 0): NAN, (2, 1): INF, (3, 0): INF, (3, 2): -INF}))
    weight_norm('1e200', 95, 'squares overflow binary64: q = +Inf and W^ = +-0', 'f64', (0, 3, 3),
                w=lambda r, c, k: normal(r) * (10 ** 200 if c else 1))
    weight_norm('gradients', 97, 'dY of mean 1e6; gamma negative', 'f64', (12, 5, 3), x=around(3), dy=around(10 ** 6),
                gamma=lambda r, c, k: -1 - abs(normal(r)))


def main():
    all_cases()
    for road, count in astray.items():
        print(f'{count:4} units go wrong: {road}', file=sys.stderr)
        assert count, road
    write(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / 'reparameterized'), COLUMNS, made)


if __name__ == '__main__':
    main()
