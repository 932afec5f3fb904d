#!/usr/bin/env python3
"""Makes fold/*.npz and fold/manifest.csv: layers with batch normalization folded in, in exact fractions.

The rounding, the files and the random numbers are those of make_golden.py; the ids R6 and R7 are those of
docs/math.md. Every case is also judged in exact fractions as what it claims to be: the folded layer, applied to an
input, gives what batch norm makes of the layer's output, within the rounding of its weights and its bias. The layers
are written out as nested sums, so an output channel that is taken for another is noticed. Running it twice gives the
same bytes.

    python3 make_fold.py [DIRECTORY]        (default: fold beside this script)
"""
import itertools
import math
import random
import sys
from fractions import Fraction
from pathlib import Path

sys.dont_write_bytecode = True  # what lies here is packed as test data
from make_golden import (
    F64, INF, NAN, NPY, RN, fma, given_statistics, goes_wrong, log_uniform, normal, npz, positive, put, times, to,
    write)

COLUMNS = 'name,layer,groups,dtype,seed,why'.split(',')

made = {}


def output_channel(layer, groups, shape, index):
    """The output channel of the weight at that place."""
    if layer == 'conv-transpose':  # in x out/groups x kernel
        return index[0] // (shape[0] // groups) * shape[1] + index[1]
    return index[0]  # out x in/groups x kernel


def apply(layer, groups, shape, weights, bias, x, size):
    """The layer's output for an input of that many places along each axis: {(channel, place): exact sum}; stride 1, no
    padding. x gives the input at (channel, place)."""
    at = {index: Fraction(w) for index, w in zip(itertools.product(*map(range, shape)), weights)}
    kernel = shape[2:]
    y = {}
    if layer == 'conv-transpose':
        per_group = shape[0] // groups
        places = list(itertools.product(*(range(size + k - 1) for k in kernel)))
        for o, place in itertools.product(range(groups * shape[1]), places):
            y[o, place] = Fraction(bias[o])
        for c, place in itertools.product(range(shape[0]), itertools.product(range(size), repeat=len(kernel))):
            for o, k in itertools.product(range(shape[1]), itertools.product(*map(range, kernel))):
                there = tuple(p + q for p, q in zip(place, k))
                y[c // per_group * shape[1] + o, there] += x[c, place] * at[(c, o) + k]
        return y
    per_group = shape[0] // groups
    for o, place in itertools.product(range(shape[0]), itertools.product(*(range(size - k + 1) for k in kernel))):
        y[o, place] = Fraction(bias[o]) + sum(
            x[o // per_group * shape[1] + c, tuple(p + q for p, q in zip(place, k))] * at[(o, c) + k]
            for c, k in itertools.product(range(shape[1]), itertools.product(*map(range, kernel))))
    return y


def judge(name, layer, groups, shape, T, weights, bias, folded, folded_bias, mean, a, beta, r):
    """Batch norm of the layer's output against the folded layer's, with the bound of docs/math.md."""
    size = max(shape[2:], default=1) + 1
    inputs = shape[0] if layer == 'conv-transpose' else shape[1] * groups
    x = {(c, place): Fraction(r.getrandbits(12) - 2048, 512)
         for c in range(inputs) for place in itertools.product(range(size), repeat=len(shape) - 2)}
    z = apply(layer, groups, shape, weights, bias, x, size)
    f = apply(layer, groups, shape, folded, folded_bias, x, size)
    absolute = {k: abs(v) for k, v in x.items()}
    by_weights = apply(layer, groups, shape, list(map(abs, folded)), list(map(abs, folded_bias)), absolute,
                       size)
    by_ones = apply(layer, groups, shape, [1] * len(folded), [1] * len(bias), absolute, size)
    bits, smallest, _ = T
    u = Fraction(1, 2 ** bits) * (1 + Fraction(1, 2 ** 28))
    for (c, place), value in z.items():
        y = (value - Fraction(mean[c])) * Fraction(a[c]) + Fraction(beta[c])
        bound = u * by_weights[c, place] + Fraction(2) ** smallest * by_ones[c, place] \
            + abs(Fraction(a[c])) * abs(Fraction(bias[c]) - Fraction(mean[c])) / 2 ** 53
        assert abs(y - f[c, place]) <= bound, (name, c, place)


def case(name, seed, why, layer, shape, dtype, groups=1, w=normal, b=normal, mean=normal, variance=positive,
         gamma=normal, beta=normal, eps=1e-5, b_dtype=None, trap=False, exact=True):
    """Makes one case. w is a function of (random, output channel, index), the others of (random, channel, 0); None for
    absent. `trap`: a weight must go wrong by way of f32. `exact`: all is finite, so the identity can be judged."""
    assert name not in made, name
    r = random.Random(seed)
    T = NPY[dtype][2]
    b_dtype = b_dtype or dtype
    channels = shape[1] * groups if layer == 'conv-transpose' else shape[0]
    indices = list(itertools.product(*map(range, shape)))
    channel = [output_channel(layer, groups, shape, index) for index in indices]

    def stored(v, T):
        return to(T, v) if isinstance(v, float) else RN(Fraction(v), T)

    def per_channel(f, T=F64):
        return None if f is None else [stored(f(r, c, 0), T) for c in range(channels)]

    weights = [stored(w(r, c, i), T) for i, c in enumerate(channel)]
    bias = per_channel(b, NPY[b_dtype][2])
    means, variances, gammas, betas = per_channel(mean), per_channel(variance), per_channel(gamma), per_channel(beta)
    vector = (channels,)
    members = {'weights': (dtype, shape, weights)}
    if b:
        members['bias'] = (b_dtype, vector, bias)
    members['running_mean'] = ('f64', vector, means)
    members['running_variance'] = ('f64', vector, variances)
    if gamma:
        members['gamma'] = ('f64', vector, gammas)
    if beta:
        members['beta'] = ('f64', vector, betas)
    members['eps'] = ('f64', (), [eps])
    bias, gammas, betas = bias or [0.0] * channels, gammas or [1.0] * channels, betas or [0.0] * channels

    statistics = [given_statistics(u, v, eps) for u, v in zip(means, variances)]
    a = [g * s['inverse_std'] for g, s in zip(gammas, statistics)]
    products = [a[c] * v for c, v in zip(channel, weights)]
    folded = [to(T, p) for p in products]  # R6
    folded_bias = [to(T, fma(v - u, k, s)) for v, u, k, s in zip(bias, means, a, betas)]  # R7
    if trap:
        assert goes_wrong([products]), name
    if exact:
        judge(name, layer, groups, shape, T, weights, bias, folded, folded_bias, means, a, betas, r)
    members['folded_weights'] = (dtype, shape, folded)
    members['folded_bias'] = (dtype, vector, folded_bias)
    made[name] = ([name, layer, groups, dtype, seed, why], npz(members))


TYPES = 'f16', 'f32', 'f64'


def all_cases():
    layers = [
        ('linear', 'linear', (7, 5), 1, 'a linear layer'),
        ('conv1d', 'conv', (6, 4, 3), 1, 'a convolution along one axis'),
        ('conv1d-groups', 'conv', (6, 2, 3), 3, 'three groups of two output channels'),
        ('conv2d', 'conv', (5, 3, 3, 2), 1, 'a convolution of images, its kernel not square'),
        ('conv2d-groups', 'conv', (4, 3, 2, 2), 2, 'two groups'),
        ('conv2d-depthwise', 'conv', (6, 1, 3, 3), 6, 'as many groups as channels'),
        ('conv3d', 'conv', (3, 2, 2, 1, 3), 1, 'a convolution of volumes'),
        ('conv3d-groups', 'conv', (4, 1, 2, 2, 2), 2, 'volumes in two groups'),
        ('transpose1d', 'conv-transpose', (4, 6, 3), 1, 'the output channels along axis 1'),
        ('transpose1d-groups', 'conv-transpose', (6, 2, 3), 3,
         'groups along axis 0, their output channels along axis 1'),
        ('transpose2d', 'conv-transpose', (3, 5, 2, 3), 1, 'images'),
        ('transpose2d-groups', 'conv-transpose', (4, 3, 2, 2), 2, 'images in two groups'),
        ('transpose2d-depthwise', 'conv-transpose', (5, 1, 3, 3), 5, 'as many groups as channels'),
        ('transpose3d-groups', 'conv-transpose', (4, 3, 2, 1, 2), 2, 'volumes in two groups'),
    ]
    for i, (name, layer, shape, groups, why) in enumerate(layers):
        for t in TYPES:
            case(f'{name}-{t}', 10 + i, why, layer, shape, t, groups)
            case(f'{name}-no-bias-{t}', 50 + i, why + '; no bias, so b is +0', layer, shape, t, groups, b=None)
    for t in TYPES:
        case(f'no-affine-{t}', 100, 'absent gamma is 1 and absent beta +0', 'conv', (4, 3, 3), t, gamma=None, beta=None)
        case(f'bias-f64-{t}', 101, 'the bias of a layer enters exactly, whatever its type', 'linear', (6, 3), t,
             b_dtype='f64')
        case(f'one-weight-{t}', 102, 'a layer of one weight', 'linear', (1, 1), t)
        case(f'cancel-{t}', 103, 'b near the mean: b - mean in one subtraction', 'linear', (9, 4), t,
             b=lambda r, c, k: 1000 + normal(r) / 8, mean=lambda r, c, k: 1000 + normal(r) / 8, beta=None)
        case(f'signed-zeros-{t}', 104, 'zeros keep their signs, times a negative gamma too', 'linear', (4, 3), t,
             w=lambda r, c, k: [0.0, -0.0, 1.0][k % 3], b=lambda r, c, k: -0.0, mean=lambda r, c, k: 0.0,
             gamma=lambda r, c, k: [1.0, -1.0, 0.0, 2.0][c], beta=None)
        case(f'large-{t}', 105, 'several vectors of every instruction set', 'conv', (33, 17, 3), t, 1, exact=False)
        case(f'transpose-large-{t}', 106, 'several vectors of every instruction set, in groups', 'conv-transpose',
             (12, 35, 3), t, 4, exact=False)
        case(f'spread-{t}', 107, 'weights of all sizes, subnormal ones and results too', 'linear', (8, 9), t,
             w=log_uniform(*{'f16': (-24, 8), 'f32': (-149, 60), 'f64': (-1074, 500)}[t]))
        case(f'not-finite-{t}', 108, 'NaN and infinities spoil their own weight or bias', 'conv', (4, 2, 3), t,
             w=put({(0, 1): NAN, (1, 6): INF, (2, 13): -INF}), b=put({(3, 0): NAN, (1, 0): -INF}), exact=False)
        case(f'no-variance-{t}', 109, 'variance + eps is 0: IEEE, with a warning', 'linear', (4, 3), t, eps=0.0,
             w=lambda r, c, k: [0.0, 1.0, -2.0][k % 3], variance=lambda r, c, k: [0.0, 1.0, 4.0, 0.0][c],
             b=lambda r, c, k: [1.0, 2.0, 3.0, 0.0][c], mean=lambda r, c, k: [1.0, 0.0, 0.0, 1.0][c], exact=False)
        case(f'infinite-variance-{t}', 110, 'an infinite variance: all weights of its channel are zeros', 'linear',
             (2, 3), t, variance=lambda r, c, k: [INF, 1.0][c], exact=False)
        case(f'empty-{t}', 111, 'no input channels: a bias and no weights', 'linear', (3, 0), t, exact=False)
    case('overflow-f16', 120, 'folded weights and bias beyond f16', 'linear', (6, 4), 'f16', w=times(20000),
         b=times(20000), gamma=lambda r, c, k: 8, exact=False)
    case('overflow-f32', 121, 'folded weights beyond f32', 'linear', (6, 4), 'f32', w=times(10 ** 38),
         gamma=lambda r, c, k: 64, exact=False)
    case('coefficient-overflow-f64', 122, 'gamma * inverse_std beyond binary64', 'linear', (2, 3), 'f64', eps=0.0,
         gamma=lambda r, c, k: 2.0 ** 1000, variance=lambda r, c, k: 2.0 ** -1000, exact=False)
    case('direct-f16', 150, 'weights that go wrong by way of f32', 'linear', (64, 64), 'f16', trap=True, exact=False)
    case('no-outputs-f32', 124, 'no output channels', 'conv', (0, 2, 3), 'f32', 3, exact=False)


def main():
    all_cases()
    write(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / 'fold'), COLUMNS, made)


if __name__ == '__main__':
    main()
