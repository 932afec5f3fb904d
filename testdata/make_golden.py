#!/usr/bin/env python3
"""Makes golden/*.npz and golden/manifest.csv: batch normalization in exact fractions.

Nothing but Python's standard library, and no floating-point sum: Python's Fraction holds every sum,
variance and quotient exactly, and two functions, RN and RN_root, round an exact number once. The ids F1..F6 and
B1..B4 are those of docs/math.md. Slow on purpose. Running it twice gives the same bytes.

    python3 make_golden.py [DIRECTORY]        (default: golden beside this script)
"""
import csv
import io
import math
import random
import struct
import sys
import zipfile
from fractions import Fraction
from pathlib import Path

NAN, INF = math.nan, math.inf

# ---------------------------------------------------------------------------------------------
# Rounding. A type is (bits of the significand, exponent of the smallest step, exponent of overflow).

F16 = (11, -24, 16)
F32 = (24, -149, 128)
F64 = (53, -1074, 1024)


def floor_log2(q):
    """The e with 2^e <= q < 2^(e+1), for q > 0."""
    e = q.numerator.bit_length() - q.denominator.bit_length()
    return e if Fraction(2) ** e <= q else e - 1


def RN(q, T=F64):
    """The exact number q rounded once to T: to nearest, ties to even; an exact 0 becomes +0."""
    if q == 0:
        return 0.0
    bits, smallest, overflow = T
    step = max(floor_log2(abs(q)) - bits + 1, smallest)
    n = round(abs(q) / Fraction(2) ** step)  # Python rounds a Fraction's ties to even
    return signed(n, step, overflow, q < 0)


def RN_root(r, negative=False, T=F64):
    """The square root of the exact number r > 0, with a sign, rounded once to T."""
    bits, smallest, overflow = T
    step = max(floor_log2(r) // 2 - bits + 1, smallest)
    s = r / Fraction(4) ** step  # the root of s is to become an integer
    n = math.isqrt(math.floor(s))
    half = Fraction(2 * n + 1, 2) ** 2
    if s > half or s == half and n % 2 == 1:
        n += 1
    return signed(n, step, overflow, negative)


def signed(n, step, overflow, negative):
    size = INF if n * Fraction(2) ** step >= Fraction(2) ** overflow else math.ldexp(n, step)
    return -size if negative else size


def to(T, v):
    """RN_T of a binary64: zeros keep their sign, infinities and NaN stay."""
    return RN(Fraction(v), T) if v != 0 and math.isfinite(v) else v


def fma(x, y, z):
    """x*y + z rounded once to binary64. Python's own * + - on floats are single binary64 operations."""
    if not (math.isfinite(x) and math.isfinite(y)):
        return x * y + z
    if not math.isfinite(z):
        return z
    q = Fraction(x) * Fraction(y) + Fraction(z)
    return RN(q) if q != 0 else x * y + z  # an exact 0: x*y is exact here, IEEE gives the sign


def Sum(xs, ys=None):
    """The exact sum of the values, or of the products."""
    if ys is None:
        return sum(map(Fraction, xs), Fraction(0))
    return sum((Fraction(x) * Fraction(y) for x, y in zip(xs, ys)), Fraction(0))


def non_finite(xs):
    """None if all values are finite, else what their sum is: NaN, +Inf or -Inf."""
    bad = [x for x in xs if not math.isfinite(x)]
    if not bad:
        return None
    return bad[0] if all(x == bad[0] for x in bad) else NAN


# ---------------------------------------------------------------------------------------------
# The mathematics, one channel at a time. T is the type of y and dx, G the type of dgamma and dbeta.


def statistics(x, eps):
    m = len(x)
    if m == 0:
        return dict(mean=NAN, variance=NAN, unbiased=NAN, inverse_std=NAN)
    if non_finite(x) is not None:
        return dict(mean=non_finite(x), variance=NAN, unbiased=NAN, inverse_std=NAN, finite=False)
    S1, S2 = Sum(x), Sum(x, x)
    N = m * S2 - S1 ** 2
    V = N / m ** 2
    q = V + Fraction(eps)
    mean = RN(S1 / m)  # F1
    return dict(
        finite=True,
        mean=mean,
        mean_lo=RN(S1 / m - Fraction(mean)),
        variance=RN(V),  # F2
        unbiased=RN(N / (m * (m - 1))) if m > 1 else NAN,
        q=q,
        inverse_std=RN_root(1 / q) if q > 0 else INF,  # F3
    )


def given_statistics(mean, variance, eps):
    """Mean and variance from elsewhere: F3 with V = variance."""
    q, inverse_std = variance, NAN
    if math.isfinite(variance):
        q = Fraction(variance) + Fraction(eps)
        assert q >= 0
        inverse_std = RN_root(1 / q) if q > 0 else INF
    elif variance == INF:
        inverse_std = 0.0
    return dict(finite=True, mean=mean, mean_lo=0.0, q=q, inverse_std=inverse_std)


def scale(s, gamma):
    """a of F5; +0 for a constant channel with eps = 0 in training."""
    constant = s.get('variance') == 0 and s['q'] == 0
    return 0.0 if constant else gamma * s['inverse_std']


def forward(x, s, gamma, beta, T):
    if not s['finite']:
        return [NAN] * len(x)
    a = scale(s, gamma)
    y = []
    for v in x:
        d = (v - s['mean']) - s['mean_lo']  # F4
        y.append(to(T, fma(d, a, beta)))  # F5
    return y


def running(keep, take, old, new):
    return keep * old + take * new  # F6: two products, one sum


def backward(x, dy, s, gamma, T, G):
    m = len(x)
    if m == 0:
        return [], 0.0, 0.0
    if non_finite(dy) is not None:
        return [NAN] * m, NAN, non_finite(dy)
    dbeta = RN(Sum(dy), G)  # B1
    if not s['finite']:
        return [NAN] * m, NAN, dbeta
    B = Sum(dy, x) - Sum(x) * Sum(dy) / m
    q = s['q']
    dgamma = RN_root(B ** 2 / q, B < 0, G) if q > 0 and B != 0 else 0.0  # B2
    k1 = RN(Sum(dy) / m)
    k1_lo = RN(Sum(dy) / m - Fraction(k1))
    k2 = RN(B / (m * q)) if q > 0 else 0.0
    a = scale(s, gamma)
    dx = []
    for v, g in zip(x, dy):
        d = (v - s['mean']) - s['mean_lo']
        t = (g - k1) - k1_lo
        w = fma(-d, k2, t)
        dx.append(to(T, a * w))  # B3
    return dx, dgamma, dbeta


def backward_frozen(x, dy, s, gamma, T, G):
    a = gamma * s['inverse_std']
    dx = [to(T, a * g) for g in dy]  # B4
    bad = non_finite(dy)
    dbeta = RN(Sum(dy), G) if bad is None else bad  # B1
    if bad is not None or non_finite(x) is not None or math.isnan(s['inverse_std']):
        return dx, NAN, dbeta
    B = Sum(dy, x) - Fraction(s['mean']) * Sum(dy)
    q = s['q']
    if q == INF:
        dgamma = 0.0
    elif q == 0:  # IEEE: 0/0, else an infinity
        dgamma = NAN if B == 0 else math.copysign(INF, B)
    else:
        dgamma = RN_root(B ** 2 / q, B < 0, G) if B != 0 else 0.0
    return dx, dgamma, dbeta


# ---------------------------------------------------------------------------------------------
# Files: NPY 1.0 and NPZ with stored members, as numpy reads them.

NPY = {'f16': ('<f2', '<e', F16), 'f32': ('<f4', '<f', F32), 'f64': ('<f8', '<d', F64), 'i64': ('<i8', '<q', None)}
CANONICAL = {'f16': bytes.fromhex('007e'), 'f32': bytes.fromhex('0000c07f'), 'f64': bytes.fromhex('000000000000f87f')}


def npy(dtype, shape, values):
    descr, code, _ = NPY[dtype]
    dims = '(' + ', '.join(map(str, shape)) + (',)' if len(shape) == 1 else ')')
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {dims}, }}"
    header += ' ' * (-(len(header) + 11) % 64) + '\n'
    body = b''.join(CANONICAL[dtype] if v != v else struct.pack(code, v) for v in values)
    assert all(v != v or w == v for v, (w,) in zip(values, struct.iter_unpack(code, body)))  # struct rounds nothing
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode() + body


def npz(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_STORED) as z:
        for name, array in members.items():
            info = zipfile.ZipInfo(name + '.npy', (1980, 1, 1, 0, 0, 0))
            info.create_system = 0  # the same on every system
            z.writestr(info, npy(*array))
    return out.getvalue()


# ---------------------------------------------------------------------------------------------
# Inputs. Only getrandbits and exact arithmetic, so that no mathematical library has a say.


def normal(r, c=0, k=0):
    """Nearly N(0, 1): twelve uniform numbers, minus six."""
    return Fraction(sum(r.getrandbits(52) for _ in range(12)), 2 ** 52) - 6


def around(centre, spread=1):
    return lambda r, c, k: Fraction(centre) + spread * normal(r)


def times(factor, f=normal):
    return lambda r, c, k: Fraction(factor) * f(r, c, k)


def log_uniform(lo, hi):
    """Significand and sign uniform, exponent uniform from lo to hi - 1."""
    def f(r, c, k):
        significand = 1 + Fraction(r.getrandbits(52), 2 ** 52)
        return (-1) ** r.getrandbits(1) * significand * Fraction(2) ** r.randrange(lo, hi)
    return f


def integers(bits):
    """Integers of exactly that many bits."""
    return lambda r, c, k: 2 ** (bits - 1) + r.getrandbits(bits - 1)


def signed_integers(bits, shifts=1):
    """Signed integers below 2^bits, times 1, 2, .. 2^(shifts - 1)."""
    return lambda r, c, k: (r.getrandbits(bits + 1) - 2 ** bits) * 2 ** r.randrange(shifts)


def table(*channels):
    """Given values, one list a channel."""
    return lambda r, c, k: channels[c][k]


def draw(r, f, T, channels, count):
    """`count` values of type T for each channel, from f(random, channel, position in the channel)."""
    if f is None:
        return None
    typed = lambda v: to(T, v) if isinstance(v, float) else RN(Fraction(v), T)
    return [[typed(f(r, c, k)) for k in range(count)] for c in range(channels)]


def put(values, otherwise=normal):
    """Given values at (channel, k), anything else from another source."""
    def f(r, c, k):
        v = otherwise(r, c, k)
        return values.get((c, k), v)
    return f


CONVENTIONS = {  # eps, keep and take of the n-th batch, biased running variance
    'pytorch': (1e-5, lambda n: (1 - 0.1, 0.1), False),
    'pytorch-cumulative': (1e-5, lambda n: (1 - 1.0 / n, 1.0 / n), False),
    'onnx': (1e-5, lambda n: (0.9, 1 - 0.9), True),
    'keras': (1e-3, lambda n: (0.99, 1 - 0.99), True),
    'flax': (1e-5, lambda n: (0.99, 1 - 0.99), True),
    'mxnet': (1e-3, lambda n: (0.9, 1 - 0.9), True),
}
LAYOUTS = {'NC', 'NCL', 'NCHW', 'NCDHW', 'NLC', 'NHWC', 'NDHWC'}
COLUMNS = 'name,mode,layout,channel_axis,x_dtype,eps,convention,seed,why'.split(',')

made = {}


def case(name, seed, why, at, shape, dtype, x=normal, dy=normal, dy_dtype=None, gamma=normal, beta=normal,
         eps=1e-5, mode='training', convention='', before=None, given=None, batch_size=None, trap=None):
    """Makes one case. `at` is a layout, a channel axis, or None for one channel. Data are functions of (random,
    channel, position in the channel): x, dy, gamma, beta (None for absent), before = (running mean, running
    variance, number of batches), given = (mean, variance). `batch_size` counts samples along axis 0, in sequences.
    `trap`: the member, y or dx, of which an element must go wrong by way of f32."""
    assert name not in made, name
    r = random.Random(seed)
    layout, axis = (at, at.index('C')) if at in LAYOUTS else ('', at)
    outer = math.prod(shape[:axis]) if axis is not None else math.prod(shape)
    channels, inner = (shape[axis], math.prod(shape[axis + 1:])) if axis is not None else (1, 1)
    m = outer * inner
    dy_dtype = dy_dtype or dtype
    grads = 'f64' if dtype == 'f64' else 'f32'
    T, TDY, G = NPY[dtype][2], NPY[dy_dtype][2], NPY[grads][2]

    def per_channel(f):
        return None if f is None else [v[0] for v in draw(r, f, F64, channels, 1)]

    def array(columns):  # (outer, channels, inner) in C order
        return [columns[c][o * inner + i] for o in range(outer) for c in range(channels) for i in range(inner)]

    xs, dys = draw(r, x, T, channels, m), draw(r, dy, TDY, channels, m)
    gammas, betas = per_channel(gamma), per_channel(beta)
    vector, scalar = (channels,), ()
    members = {'x': (dtype, shape, array(xs))}
    if dy:
        members['dy'] = (dy_dtype, shape, array(dys))
    if gamma:
        members['gamma'] = ('f64', vector, gammas)
    if beta:
        members['beta'] = ('f64', vector, betas)
    members['eps'] = ('f64', scalar, [eps])
    if mode == 'sequence':
        members['batch_size'] = ('i64', scalar, [batch_size])
    gammas, betas = gammas or [1.0] * channels, betas or [0.0] * channels

    parts = [slice(0, m)]  # of the values of a channel: the samples along axis 0 lie one after another in it
    if mode == 'sequence':
        assert convention and axis != 0 and not dy
        step = batch_size * (m // shape[0] if m else 1)
        parts = [slice(i, i + step) for i in range(0, m, step)]
    if mode in ('training', 'sequence'):
        batch_stats = [[statistics(v[part], eps) for v in xs] for part in parts]
        stats = batch_stats[0] if mode == 'training' else None
    else:
        mean, variance = (per_channel(f) for f in given)
        stats = [given_statistics(u, v, eps) for u, v in zip(mean, variance)]
        members['running_mean'] = ('f64', vector, mean)
        members['running_variance'] = ('f64', vector, variance)
    if convention:
        old_mean, old_variance, batches = per_channel(before[0]), per_channel(before[1]), before[2]
        members['running_mean_before'] = ('f64', vector, old_mean)
        members['running_variance_before'] = ('f64', vector, old_variance)
        members['batches_before'] = ('i64', scalar, [batches])
    if mode == 'sequence':
        ys = [sum((forward(v[part], s[c], gammas[c], betas[c], T) for part, s in zip(parts, batch_stats)), [])
              for c, v in enumerate(xs)]
        members['y'] = (dtype, shape, array(ys))
    elif mode != 'frozen':
        ys = [forward(v, s, g, b, T) if m else [] for v, s, g, b in zip(xs, stats, gammas, betas)]
        members['y'] = (dtype, shape, array(ys))
        if trap == 'y':
            assert goes_wrong(forward(v, s, g, b, F64) for v, s, g, b in zip(xs, stats, gammas, betas)), name
    if mode == 'training':
        members['mean'] = ('f64', vector, [s['mean'] for s in stats])
        members['variance'] = ('f64', vector, [s['variance'] for s in stats])
    if stats:
        members['inverse_std'] = ('f64', vector, [s['inverse_std'] for s in stats])
    if mode == 'training':
        members['count'] = ('i64', scalar, [m])
    if dy:
        road = backward if mode == 'training' else backward_frozen
        out = [road(v, g, s, a, T, G) for v, g, s, a in zip(xs, dys, stats, gammas)]
        if trap == 'dx':
            wide = [road(v, g, s, a, F64, G)[0] for v, g, s, a in zip(xs, dys, stats, gammas)]
            assert goes_wrong(wide), name
        members['dx'] = (dtype, shape, array([o[0] for o in out]))
        members['dgamma'] = (grads, vector, [o[1] for o in out])
        members['dbeta'] = (grads, vector, [o[2] for o in out])
    if convention:
        default_eps, momentum, biased = CONVENTIONS[convention]
        for part, batch in zip(parts, batch_stats):
            if m == 0:
                break
            batches += 1
            keep, take = momentum(batches)
            b = 'variance' if biased else 'unbiased'
            assert biased or len(xs[0][part]) > 1
            old_mean = [running(keep, take, o, s['mean']) for o, s in zip(old_mean, batch)]
            old_variance = [running(keep, take, o, s[b]) for o, s in zip(old_variance, batch)]
        members['running_mean'] = ('f64', vector, old_mean)
        members['running_variance'] = ('f64', vector, old_variance)
        members['batches'] = ('i64', scalar, [batches])
    row = [name, mode, layout, '' if axis is None else axis, dtype, repr(eps), convention, seed, why]
    made[name] = (row, npz(members))


def goes_wrong(channels):
    """Whether a binary64 becomes another f16 when it is rounded to f32 on the way."""
    return any(v == v and to(F16, to(F32, v)) != to(F16, v) for values in channels for v in values)


# ---------------------------------------------------------------------------------------------
# The cases.

def positive(r, c=0, k=0):
    return abs(normal(r)) + Fraction(1, 4)


NEW = (lambda r, c, k: 0, lambda r, c, k: 1, 0)
OLD = (normal, positive, 7)
GIVEN = (normal, positive)
BOTH = ('f32', 24), ('f64', 53)


def all_cases():
    for t, seed in ('f32', 1), ('f64', 2):
        case(f'graph-{t}', seed,
             'three examples of two channels, to follow through the graph by hand; the data of graph/*.csv',
             'NC', (3, 2), t, table([1.0, 2.0, 6.0], [10.0, 14.0, 12.0]), table([0.5, -1.0, 0.25], [1.0, 0.5, -2.0]),
             gamma=None, beta=None)
    iris = list(csv.reader(open(Path(__file__).parent / 'iris.csv')))[1:]
    case('iris-f64', 3, 'real data with ties and few digits: the four columns of iris.csv', 'NC', (150, 4), 'f64',
         lambda r, c, k: Fraction(iris[k][c]), convention='pytorch', before=NEW, gamma=None, beta=None)

    shapes = {'NC': (37, 5), 'NCL': (5, 3, 11), 'NCHW': (4, 3, 5, 6), 'NCDHW': (2, 3, 2, 3, 4), 'NLC': (5, 11, 3),
              'NHWC': (4, 5, 6, 3), 'NDHWC': (2, 2, 3, 4, 3)}
    for i, (layout, shape) in enumerate(shapes.items()):
        for t, _ in BOTH:
            case(f'{layout.lower()}-{t}', 10 + i, f'plain random data, layout {layout}', layout, shape, t)
    for t, _ in BOTH:
        case(f'axis0-{t}', 20, 'channel axis 0: outer is 1', 0, (3, 29), t)
        case(f'one-dimension-{t}', 21, 'one dimension is one channel', None, (41,), t)
        case(f'one-channel-{t}', 22, 'C = 1', 'NC', (43, 1), t)
        case(f'one-channel-nchw-{t}', 23, 'C = 1 with space', 'NCHW', (3, 1, 4, 5), t)
        case(f'two-values-{t}', 24, 'm = 2, the smallest batch with a variance', 'NC', (2, 9), t)
        case(f'no-affine-{t}', 25, 'absent gamma is 1 and absent beta +0', 'NC', (19, 4), t, gamma=None, beta=None)
        case(f'forward-only-{t}', 26, 'no dy', 'NC', (19, 4), t, dy=None)

    for rows in 255, 256, 257:
        for t, _ in BOTH:
            case(f'rows-{rows}-{t}', rows, 'rows at the edge of a tile of 256', 'NC', (rows, 3), t)
    case('rows-1025-f32', 1025, 'several tiles and one row', 'NC', (1025, 2), 'f32', around(3))
    for inner in 63, 64, 65, 257:
        for t, _ in BOTH:
            case(f'inner-{inner}-{t}', 300 + inner, 'inner at the edge of vectors and tiles', 'NCL', (3, 2, inner), t)
    for t, _ in BOTH:
        case(f'inner-7x7-{t}', 40, 'inner = 49, as in the last stage of a ResNet', 'NCHW', (4, 5, 7, 7), t)
    for channels in 7, 8, 15, 16, 17, 33, 65:
        case(f'channels-{channels}-f32', 400 + channels, 'channels at the edge of vectors', 'NC', (9, channels), 'f32')
        case(f'channels-{channels}-f64', 400 + channels, 'channels at the edge of vectors', 'NC', (9, channels), 'f64')

    for t, name, centre, spread in (('f32', '1e4', 10 ** 4, 1), ('f32', '1e6', 10 ** 6, 1), ('f64', '1e4', 10 ** 4, 1),
                                    ('f64', '1e10', 10 ** 10, 1), ('f64', '1e15', 10 ** 15, 1)):
        far = around(centre, spread)
        case(f'mean-{name}-{t}', 50, f'mean {name}, deviation 1: one-pass formulas cancel', 'NC', (64, 4), t, far)
        case(f'mean-{name}-both-{t}', 51, f'mean {name} in x and in dy: the projections of B3 cancel too', 'NC',
             (64, 4), t, far, far)
        case(f'mean-{name}-nchw-{t}', 52, f'mean {name} in x, -{name} in dy, with space', 'NCHW', (4, 3, 5, 5), t, far,
             around(-centre, spread))

    constants = [1.0, -3.0, 1e7 + 1, 0.1, 0.0, -0.0, 1e-40, 1e30]
    constant = lambda r, c, k: constants[c]
    for t, _ in BOTH:
        case(f'constant-{t}', 60, 'constant channels: variance exactly 0, y = beta', 'NC', (33, 8), t, constant)
        case(f'constant-eps0-{t}', 61,
             'V + eps = 0 in training: inverse_std +Inf; a, k2 and dgamma +0; y = beta, dx = +-0', 'NC', (33, 8), t,
             constant, eps=0.0)
        case(f'one-constant-eps0-{t}', 62, 'eps = 0 with one constant channel among others', 'NCL', (3, 3, 5), t,
             lambda r, c, k: 0.7 if c == 1 else normal(r), eps=0.0)
        case(f'eps0-{t}', 63, 'eps = 0, ordinary data', 'NC', (21, 5), t, eps=0.0)
        case(f'eps1e-3-{t}', 64, 'eps = 1e-3', 'NC', (21, 5), t, eps=1e-3)
        case(f'eps-large-{t}', 65, 'eps = 1e10 outweighs the variance', 'NC', (21, 5), t, eps=1e10)
        case(f'eps-subnormal-{t}', 66, 'eps = 5e-324, with a constant channel: inverse_std near 2^537', 'NC', (21, 3),
             t,
             lambda r, c, k: 2.0 if c == 0 else normal(r), eps=5e-324)
        case(f'eps-decides-{t}', 67, 'variance about as large as eps: eps must meet the exact variance', 'NC', (21, 6),
             t, around(1, Fraction(1, 300)))

    bad = {(1, 2): NAN, (2, 0): INF, (3, 5): -INF, (4, 1): INF, (4, 4): -INF, (5, 3): NAN, (5, 0): INF}
    for t, _ in BOTH:
        case(f'nan-inf-x-{t}', 70, 'channels 0..6: finite, NaN, +Inf, -Inf, both infinities, NaN and +Inf, finite',
             'NC', (7, 7), t,
             put(bad), convention='pytorch', before=OLD)
        case(f'nan-inf-x-nhwc-{t}', 71, 'the same with channels last', 'NHWC', (2, 2, 2, 7), t, put(bad),
             convention='keras', before=OLD, eps=1e-3)
        case(f'nan-inf-x-nchw-{t}', 72, 'the same with channels in the middle', 'NCHW', (2, 7, 2, 2), t, put(bad))
        case(f'nan-dy-{t}', 73, 'NaN in dy of one channel only: y stays, dx dgamma dbeta of it are NaN', 'NC', (7, 3),
             t, dy=put({(1, 2): NAN}))
        case(f'inf-dy-{t}', 74, 'dy: finite, +Inf, -Inf, both: dbeta is the sum, dx and dgamma NaN', 'NC', (7, 4), t,
             dy=put({(1, 2): INF, (2, 6): -INF, (3, 0): INF, (3, 1): -INF}))
        case(f'nan-inf-both-{t}', 75, 'x and dy not finite in the same and in different channels', 'NCL', (2, 5, 4), t,
             put({(1, 3): NAN, (2, 3): INF, (3, 0): -INF}), put({(1, 2): INF, (2, 2): NAN, (4, 0): -INF}))

    case('subnormal-f32', 80, 'f32 subnormals; eps outweighs them', 'NC', (33, 4), 'f32', times(Fraction(2) ** -140))
    case('subnormal-eps0-f32', 81, 'f32 subnormals, eps = 0: y is of size 1', 'NC', (33, 4), 'f32',
         times(Fraction(2) ** -140), eps=0.0)
    case('subnormal-dy-f32', 82, 'f32 subnormal dy: dx and dgamma round to subnormals and signed zeros', 'NC', (33, 4),
         'f32', around(0, 3),
         times(Fraction(2) ** -147))
    case('subnormal-f64', 83, 'f64 subnormals; eps outweighs them; squares underflow everywhere but in exact sums',
         'NC', (33, 4), 'f64',
         times(Fraction(2) ** -1040))
    case('subnormal-eps0-f64', 84, 'f64 subnormals of about 2^-1024, eps = 0: variance rounds to 0, y is of size 1',
         'NC', (33, 4), 'f64',
         times(Fraction(2) ** -1024), eps=0.0, gamma=None, beta=None)
    case('inverse-std-overflows-f64', 85,
         'values of a few 2^-1074, eps = 0: inverse_std is +Inf without V being 0, y follows IEEE', 'NC', (8, 3), 'f64',
         times(Fraction(2) ** -1072), eps=0.0)
    case('1e30-f32', 86, 'f32 near 1e30: squares overflow f32', 'NC', (33, 4), 'f32', times(10 ** 30))
    case('3e38-f32', 87, 'f32 near its maximum: sums overflow f32; dx is subnormal or 0', 'NC', (33, 4), 'f32',
         lambda r, c, k:
         (-1) ** r.getrandbits(1) * Fraction(3 * 10 ** 38) * (1 + Fraction(r.getrandbits(20), 2 ** 24)))
    case('3e38-dy-f32', 88, 'dy near the f32 maximum: dbeta and dgamma overflow to Inf or just not', 'NC', (5, 6),
         'f32',
         dy=lambda r, c, k: (-1) ** r.getrandbits(1) * 3e38)
    for t, _ in BOTH:
        case(f'outlier-1e30-{t}', 89, 'one value of 1e30 among N(0, 1), at either end and inside', 'NC', (257, 3), t,
             put({(0, 0): 1e30, (1, 128): -1e30, (2, 256): 1e30}))
        case(f'outlier-cancels-{t}', 90, '1e30 and -1e30 among N(0, 1): the sum must keep the rest', 'NC', (64, 3), t,
             put({(0, 3): 1e30, (0, 40): -1e30, (1, 0): 1e30, (1, 63): -1e30}), put({(2, 5): 1e30, (2, 6): -1e30}))
    case('tile-1-and-1e-40-f32', 91, 'a tile of 1 and the f32 subnormal 1e-40: the span no plain accumulator holds',
         'NC', (256, 3), 'f32',
         lambda r, c, k: (1.0, 1e-40)[(k + c) % 2])
    case('span-f32', 92, '1, 2^-149 and 2^127 in one channel', 'NC', (257, 2), 'f32', lambda r, c,
         k: (1.0, 2.0 ** -149, 2.0 ** 127, -2.0 ** 127)[r.getrandbits(2)])
    case('1e200-f64', 93, 'f64 near 1e200: variance is +Inf, inverse_std and y stay right', 'NC', (33, 4), 'f64',
         times(10 ** 200))
    case('1e300-mean-f64', 94, 'f64 at 1e300 with deviation 1e290', 'NC', (33, 4), 'f64', around(10 ** 300, 10 ** 290))
    case('1e-200-f64', 95, 'f64 near 1e-200; eps outweighs the variance', 'NC', (33, 4), 'f64',
         times(Fraction(1, 10 ** 200)))
    case('1e-200-eps0-f64', 96, 'f64 near 1e-200, eps = 0: variance rounds to +0, inverse_std 1e200', 'NC', (33, 4),
         'f64', times(Fraction(1, 10 ** 200)),
         eps=0.0)
    case('log-uniform-60-f32', 97, '60 binades, in x and dy', 'NC', (64, 8), 'f32', log_uniform(-30, 30),
         log_uniform(-30, 30))
    case('log-uniform-240-f32', 98, 'nearly all binades of f32, in x', 'NC', (64, 8), 'f32', log_uniform(-140, 100))
    case('log-uniform-60-f64', 99, '60 binades, in x and dy', 'NC', (64, 8), 'f64', log_uniform(-30, 30),
         log_uniform(-30, 30))
    case('log-uniform-600-f64', 100, '600 binades, in x and dy', 'NC', (64, 8), 'f64', log_uniform(-300, 300),
         log_uniform(-300, 300))
    case('log-uniform-2000-f64', 101, 'nearly all binades of f64, in x', 'NC', (64, 4), 'f64', log_uniform(-1070, 900))

    case('mean-midpoints-f64', 110, 'four integers of 53 bits: every fourth mean is exactly between two binary64', 'NC',
         (4, 64), 'f64', integers(53), eps=1e-5)
    case('gradient-midpoints-f64', 111,
         'the same in dy over x = +-1 and eps = 0: k1, k2, dbeta and dgamma have exact ties', 'NC', (4, 64), 'f64',
         lambda r, c, k: (-1) ** k, integers(53), eps=0.0)
    case('variance-midpoints-f32', 112, 'four f32 of 24 bits: every eighth variance is exactly between two binary64',
         'NC', (4, 64), 'f32', signed_integers(24, 4), eps=0.0)
    case('variance-midpoints-f64', 113,
         'four signed integers below 2^27: every sixth variance is exactly between two binary64', 'NC', (4, 64), 'f64',
         signed_integers(27), eps=0.0)
    case('near-midpoints-f64', 114,
         'the same, the fourth value +-2^-500: means (even channels) and variances (odd) a hair beside a tie',
         'NC', (4, 64), 'f64', lambda r, c,
         k: (-1) ** (c // 2) * Fraction(2) ** -500 if k == 3 else signed_integers(27)(r, c,
         k) if c % 2 else integers(53)(r, c, k), eps=0.0)
    case('small-integers-f32', 115, 'integers below 16: exact in any order, unless one divides by a rounded 1/m', 'NC',
         (24, 32), 'f32',
         lambda r, c, k: r.getrandbits(4), lambda r, c, k: r.getrandbits(3) - 4)
    case('perfect-squares-f64', 116, 'eps = 0 and V a perfect square: inverse_std, a, k2 and y are exact', 'NC',
         (4, 16), 'f64',
         lambda r, c, k: (-1) ** k * 2.0 ** (c - 8) + c, eps=0.0)
    big, tiny = 2.0 ** 24, 2.0 ** -40
    case('gradients-round-once-f32', 117,
         'dbeta (0..3) and dgamma (4..7) a hair beside an f32 midpoint, or on it: by way of binary64 they go wrong',
         'NC', (4, 8), 'f32',
         table(*[[1.0, -1.0, 1.0, -1.0]] * 8),
         table([big, 1.0, tiny, 0.0], [big, 1.0, -tiny, 0.0], [-big, -1.0, -tiny, 0.0], [big, 1.0, 0.0, 0.0],
               [big, -1.0, tiny, 0.0], [big, -3.0, -tiny, 0.0], [-big, 1.0, -tiny, 0.0], [big, -3.0, 0.0, 0.0]),
               eps=0.0)
    case('y-rounds-twice-f32', 118, 'y is rounded to binary64 and then to f32: 2^24 + 1 + 2^-40 becomes 2^24', 'NC',
         (3, 3), 'f32',
         lambda r, c, k: (big, -big, 3 * big)[k], None, gamma=None, beta=lambda r, c,
         k: (1 + tiny, -1 - tiny, 1 - tiny)[c], eps=0.0,
         mode='inference', given=(lambda r, c, k: 0, lambda r, c, k: 1))
    hairs = lambda r, c, k: (1.00000003973643, 1.0000004371007283)[c]  # 1.5 times these: a hair beside an f32 midpoint
    case('dx-rounds-twice-f32', 127, 'a*w is rounded to binary64, to the midpoint, and then to f32', 'NC', (4, 2), 'f32',
         table(*[[1.0, -1.0, 1.0, -1.0]] * 2), table(*[[1.5, 1.5, -1.5, -1.5]] * 2), gamma=hairs, eps=0.0)
    case('frozen-dx-rounds-twice-f32', 128, 'the same for a*dy of B4', 'NC', (2, 2), 'f32', dy=table(*[[1.5, -1.5]] * 2),
         gamma=hairs, eps=0.0, mode='frozen', given=(lambda r, c, k: 0, lambda r, c, k: 1))
    case('frozen-rounds-once-f32', 129, 'dgamma of B4 a hair beside an f32 midpoint: rounded once', 'NC', (3, 2), 'f32',
         table([1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]), table([big, 1.0, tiny], [big, -1.0, -tiny]), eps=0.0, mode='frozen',
         given=(lambda r, c, k: 0, lambda r, c, k: 1))
    case('dgamma-signed-zero-f32', 119, 'dgamma below the f32 subnormals: a zero that keeps its sign', 'NC', (4, 3),
         'f32', table(*[[8.0, -8.0, 1.0, -1.0]] * 3),
         table([0.0, 0.0, -2.0 ** -149, 0.0], [0.0, 0.0, 2.0 ** -149, 0.0], [0.0, 0.0, 0.0, 0.0]))

    for t, _ in BOTH:
        case(f'signed-zeros-{t}', 120, '+0 and -0 in x and dy: the mean of -0 is +0', 'NC', (4, 5), t,
             table([0.0] * 4, [-0.0] * 4, [0.0, -0.0] * 2, [-0.0, 1.0, 0.0, -1.0], [-0.0, 2.0, 0.0, 1.0]),
             table([-0.0] * 4, [-0.0] * 4, [0.0, -0.0] * 2, [-0.0, 0.0, 1.0, -1.0], [0.0, -0.0, -0.0, 0.0]),
             gamma=lambda r, c, k: (1.0, -1.0, 0.0, -0.0, -2.0)[c], beta=lambda r, c,
             k: (0.0, -0.0, -0.0, 0.0, -0.0)[c])
        case(f'gamma-{t}', 121, 'gamma negative, +0, -0, huge and tiny', 'NC', (9, 10), t,
             gamma=lambda r, c, k: (-1.0, 0.0, -0.0, 1e30, -1e30, 1e-30, 2.0 ** 400, -2.0 ** -400, 1e300, 5e-324)[c])
        case(f'beta-{t}', 122, 'beta huge, tiny, -0, and cancelling y', 'NC', (9, 6), t,
             beta=lambda r, c, k: (1e30, 1e-30, -0.0, -1.0, 1e300, 5e-324)[c])
        case(f'one-value-{t}', 123, 'm = 1: variance 0, y = beta, dx 0; biased running variance', 'NC', (1, 4), t,
             convention='onnx', before=OLD)
        case(f'one-value-eps0-{t}', 124, 'm = 1 and eps = 0', 'NCL', (1, 4, 1), t, eps=0.0)
        case(f'empty-{t}', 125, 'm = 0: empty y and dx, zero gradients, running statistics stay, saved ones are NaN',
             'NC', (0, 3), t,
             convention='pytorch', before=OLD)
        case(f'empty-inner-{t}', 126, 'm = 0 because inner is 0', 'NCL', (2, 3, 0), t)
    case('mixed-f32-f64', 130, 'x f32, dy f64: dx has the type of x', 'NC', (29, 5), 'f32', dy_dtype='f64')
    case('mixed-f64-f32', 131, 'x f64, dy f32: dx and the parameter gradients are f64', 'NC', (29, 5), 'f64',
         dy_dtype='f32')
    case('mixed-f32-f64-nchw', 132, 'x f32, dy f64 at 1e6, with space', 'NCHW', (3, 4, 5, 7), 'f32', around(1000),
         around(10 ** 6), dy_dtype='f64')

    for i, convention in enumerate(CONVENTIONS):
        eps = CONVENTIONS[convention][0]
        for t, _ in BOTH:
            case(f'running-{convention}-{t}', 140 + i, f'running statistics as {convention} keeps them', 'NC', (16, 4),
                 t, around(2, 3), None,
                 eps=eps, convention=convention, before=OLD)
        case(f'running-{convention}-new', 150 + i, 'the first batch: mean 0, variance 1, batches 0 before', 'NCHW',
             (2, 3, 3, 4), 'f32', around(2, 3), None,
             eps=eps, convention=convention, before=NEW)
    case('running-overflow-f64', 160, 'a variance of +Inf makes the running variance +Inf', 'NC', (8, 2), 'f64',
         times(10 ** 200), None,
         convention='pytorch', before=OLD)

    for t, _ in BOTH:
        for i, layout in enumerate(('NC', 'NCHW', 'NHWC')):
            case(f'inference-{layout.lower()}-{t}', 170 + i, f'given statistics, layout {layout}', layout,
                 shapes[layout], t, dy=None, mode='inference', given=GIVEN)
            case(f'frozen-{layout.lower()}-{t}', 180 + i, f'gradients with frozen statistics, layout {layout}', layout,
                 shapes[layout], t, mode='frozen',
                 given=GIVEN)
        case(f'inference-nan-inf-{t}', 190, 'a non-finite element spoils itself only', 'NC', (7, 7), t, put(bad), None,
             mode='inference', given=GIVEN)
        case(f'inference-tiny-{t}', 191, 'v + eps tiny: subnormal, 1e-300, and v = -eps/2', 'NC', (5, 3), t, dy=None,
             eps=1e-320, mode='inference',
             given=(normal, lambda r, c, k: (0.0, 1e-300, -5e-321)[c]))
        case(f'inference-zero-{t}', 192, 'v + eps = 0 follows IEEE: infinities, NaN where x equals the mean', 'NC',
             (4, 2), t,
             table([1.0, 0.5, 0.0, -1.0], [2.0, 1.0, 0.5, 2.0]), None, eps=0.0, mode='inference',
             given=(lambda r, c, k: (0.5, 2.0)[c], lambda r, c, k: (0.0, 1.0)[c]))
        case(f'inference-far-{t}', 193, 'mean 1e6 given: d is one subtraction, mean_lo +0', 'NC', (9, 4), t,
             around(10 ** 6), None, mode='inference',
             given=(around(10 ** 6), positive))
        case(f'inference-infinite-variance-{t}', 194, 'v = +Inf gives inverse_std +0 and y = beta; v = NaN gives NaN',
             'NC', (4, 3), t, dy=None, mode='inference',
             given=(normal, lambda r, c, k: (INF, NAN, 1.0)[c]))
        case(f'inference-empty-{t}', 195, 'no rows', 'NC', (0, 3), t, dy=None, mode='inference', given=GIVEN)
        case(f'frozen-far-{t}', 196, 'means of 1e6 in x, dy and the given mean: dgamma cancels', 'NC', (65, 3), t,
             around(10 ** 6), around(10 ** 6), mode='frozen',
             given=(around(10 ** 6), positive))
        case(f'frozen-nan-inf-{t}', 197, 'x not finite (1..5), dy not finite (2, 6)', 'NC', (7, 7), t, put(bad),
             put({(2, 3): NAN, (6, 3): INF}), mode='frozen', given=GIVEN)
        case(f'frozen-empty-{t}', 198, 'no rows: zero gradients', 'NC', (0, 3), t, mode='frozen', given=GIVEN)
        case(f'frozen-no-affine-{t}', 199, 'absent gamma', 'NCL', (3, 4, 5), t, gamma=None, beta=None, mode='frozen',
             given=GIVEN)

    binary16()
    sequences()


def binary16():
    """x or dy in f16."""
    t = 'f16'
    case('nc-f16', 500, 'plain random data, layout NC', 'NC', (37, 5), t)
    case('nchw-f16', 501, 'plain random data, layout NCHW', 'NCHW', (4, 3, 5, 6), t)
    case('nhwc-f16', 502, 'plain random data, layout NHWC', 'NHWC', (4, 5, 6, 3), t)
    case('one-dimension-f16', 503, 'one dimension is one channel', None, (41,), t)
    case('rows-257-f16', 504, 'rows at the edge of a tile of 256', 'NC', (257, 3), t)
    case('inner-65-f16', 505, 'inner at the edge of vectors and tiles', 'NCL', (3, 2, 65), t)
    case('channels-33-f16', 506, 'channels at the edge of vectors', 'NC', (9, 33), t)
    case('no-affine-f16', 507, 'absent gamma is 1 and absent beta +0', 'NC', (19, 4), t, gamma=None, beta=None)
    case('mean-1e3-f16', 508, 'mean 1e3, deviation 1, in steps of 0.5', 'NC', (64, 4), t, around(1000))
    case('log-uniform-40-f16', 509, 'all binades of f16, in x and dy', 'NC', (64, 8), t, log_uniform(-24, 15),
         log_uniform(-24, 15))
    case('subnormal-f16', 510, 'f16 subnormals; eps outweighs them', 'NC', (33, 4), t, times(Fraction(2) ** -17))
    case('subnormal-eps0-f16', 511, 'f16 subnormals, eps = 0: y is of size 1', 'NC', (33, 4), t,
         times(Fraction(2) ** -20), eps=0.0)
    case('subnormal-dy-f16', 512, 'f16 subnormal dy: dx rounds to subnormals and signed zeros, dgamma stays normal',
         'NC', (33, 4), t, around(0, 3), times(Fraction(2) ** -21))
    case('subnormal-y-f16', 513, 'gamma of 2^-20: y and dx are subnormals and signed zeros', 'NC', (33, 4), t,
         gamma=times(Fraction(2) ** -20), beta=None)
    near = lambda r, c, k: (-1) ** r.getrandbits(1) * Fraction(65504) * (1 - Fraction(r.getrandbits(10), 2 ** 14))
    case('65504-f16', 514, 'f16 near its maximum 65504: sums and squares overflow f16, squares of sums f32', 'NC',
         (33, 4), t, near)
    case('65504-dy-f16', 515, 'dy near the maximum: dbeta and dgamma are f32 and do not overflow, dx does', 'NC',
         (33, 4), t, times(Fraction(1, 2)), near)
    case('y-overflows-f16', 516, 'gamma and beta carry y beyond 65504, to both infinities', 'NC', (33, 5), t,
         gamma=lambda r, c, k: (65504.0, -3e4, 1e5, 1.0, 1e300)[c],
         beta=lambda r, c, k: (0.0, 0.0, -1e5, 65504.0, 0.0)[c])
    unit = (lambda r, c, k: 0, lambda r, c, k: 1)
    case('y-at-overflow-f16', 517, 'y on 65520, the midpoint from which f16 rounds to infinity, and a hair below',
         'NC', (2, 4), t, lambda r, c, k: (65504.0, -65504.0)[k], None, gamma=None,
         beta=lambda r, c, k: (16.0, -16.0, 16 - 2.0 ** -30, -16 + 2.0 ** -30)[c], eps=0.0, mode='inference',
         given=unit)
    hair = 2.0 ** -30
    case('y-direct-f16', 518, 'y a hair beside an f16 midpoint, below the step of f32: by way of f32 it goes wrong',
         'NC', (3, 3), t, lambda r, c, k: (1.0, -1.0, 3.0)[k], None, gamma=None,
         beta=lambda r, c, k: (2.0 ** -11 + hair, -2.0 ** -11 - hair, 3 * 2.0 ** -11 - hair)[c], eps=0.0,
         mode='inference', given=unit, trap='y')
    case('y-direct-training-f16', 1007, 'a seed found by search: an ordinary y that goes wrong by way of f32', 'NC',
         (256, 4), t, dy=None, trap='y')
    case('dx-direct-f16', 1004, 'a seed found by search: an ordinary dx that goes wrong by way of f32', 'NC',
         (256, 4), t, trap='dx')
    case('frozen-dx-direct-f16', 521, 'a*dy of B4 a hair beside an f16 midpoint: by way of f32 it goes wrong', 'NC',
         (3, 2), t, dy=table(*[[1.0, -1.0, 2.0 ** -13]] * 2), gamma=lambda r, c, k: 1 + (2 * c + 1) * 2.0 ** -11
         + (-1) ** c * hair, eps=0.0, mode='frozen', given=unit, trap='dx')
    case('y-rounds-twice-f16', 522, 'y is rounded to binary64 and then to f16: 1 + 2^-11 + 2^-60 becomes 1', 'NC',
         (2, 2), t, lambda r, c, k: (1.0, -1.0)[k], None, gamma=None,
         beta=lambda r, c, k: (-1) ** c * (2.0 ** -11 + 2.0 ** -60), eps=0.0, mode='inference', given=unit)
    case('variance-midpoints-f16', 523, 'two small and two large f16: 14 of 64 variances are exactly between two '
         'binary64', 'NC', (4, 64), t,
         lambda r, c, k: (r.getrandbits(12) - 2 ** 11) * Fraction(2) ** (3 if k > 1 else -12), eps=0.0)
    case('constant-f16', 524, 'constant channels: variance +0, y = beta; dx of constants of both signs', 'NC', (33, 4),
         t, lambda r, c, k: (0.1, -1000.0, 65504.0, 2.0 ** -24)[c])
    case('constant-eps0-f16', 525, 'V + eps = 0 with one constant channel among others', 'NCL', (3, 3, 5), t,
         lambda r, c, k: 0.7 if c == 1 else normal(r), eps=0.0)
    bad = {(1, 2): NAN, (2, 0): INF, (3, 5): -INF, (4, 1): INF, (4, 4): -INF, (5, 3): NAN, (5, 0): INF}
    case('nan-inf-x-f16', 526, 'channels 0..6: finite, NaN, +Inf, -Inf, both infinities, NaN and +Inf, finite', 'NC',
         (7, 7), t, put(bad), convention='pytorch', before=OLD)
    case('nan-inf-dy-f16', 527, 'dy: finite, NaN, +Inf, -Inf, both infinities: dbeta is the sum, dx and dgamma NaN',
         'NCL', (2, 5, 4), t, dy=put({(1, 2): NAN, (2, 6): INF, (3, 1): -INF, (4, 0): INF, (4, 7): -INF}))
    case('signed-zeros-f16', 528, '+0 and -0 in x and dy, gamma and beta of both signs', 'NC', (4, 5), t,
         table([0.0] * 4, [-0.0] * 4, [0.0, -0.0] * 2, [-0.0, 1.0, 0.0, -1.0], [-0.0, 2.0, 0.0, 1.0]),
         table([-0.0] * 4, [-0.0] * 4, [0.0, -0.0] * 2, [-0.0, 0.0, 1.0, -1.0], [0.0, -0.0, -0.0, 0.0]),
         gamma=lambda r, c, k: (1.0, -1.0, 0.0, -0.0, -2.0)[c],
         beta=lambda r, c, k: (0.0, -0.0, -0.0, 0.0, -0.0)[c])
    case('one-value-f16', 529, 'm = 1: variance 0, y = beta, dx 0; biased running variance', 'NC', (1, 4), t,
         convention='onnx', before=OLD)
    case('empty-f16', 530, 'm = 0', 'NC', (0, 3), t, convention='pytorch', before=OLD)
    case('running-pytorch-f16', 531, 'running statistics of f16 data are binary64', 'NCHW', (4, 3, 3, 4), t,
         around(2, 3), None, convention='pytorch', before=OLD)

    big, tiny = 2.0 ** 24, 2.0 ** -40
    case('mixed-f16-f32', 540, 'x f16, dy f32: dx has the type of x', 'NC', (29, 5), t, dy_dtype='f32')
    case('mixed-f32-f16', 541, 'x f32, dy f16: dx has the type of x', 'NC', (29, 5), 'f32', dy_dtype='f16')
    case('mixed-f16-f32-nchw', 542, 'x f16 at 1e3, dy f32 at 1e6, with space', 'NCHW', (3, 4, 5, 7), t, around(1000),
         around(10 ** 6), dy_dtype='f32')
    case('mixed-f16-f64', 543, 'x f16, dy f64: dgamma and dbeta are f32', 'NC', (29, 5), t, dy_dtype='f64')
    case('mixed-f64-f16', 544, 'x f64, dy f16: dx, dgamma and dbeta are f64', 'NC', (29, 5), 'f64', dy_dtype='f16')
    case('gradients-round-once-f16', 545,
         'dbeta (0..3) and dgamma (4..7) a hair beside an f32 midpoint, or on it: by way of binary64 they go wrong',
         'NC', (4, 8), t, table(*[[1.0, -1.0, 1.0, -1.0]] * 8),
         table([big, 1.0, tiny, 0.0], [big, 1.0, -tiny, 0.0], [-big, -1.0, -tiny, 0.0], [big, 1.0, 0.0, 0.0],
               [big, -1.0, tiny, 0.0], [big, -3.0, -tiny, 0.0], [-big, 1.0, -tiny, 0.0], [big, -3.0, 0.0, 0.0]),
         dy_dtype='f64', eps=0.0)

    for i, (layout, shape) in enumerate({'NC': (37, 5), 'NCHW': (4, 3, 5, 6), 'NHWC': (4, 5, 6, 3)}.items()):
        case(f'inference-{layout.lower()}-f16', 550 + i, f'given statistics, layout {layout}', layout, shape, t,
             dy=None, mode='inference', given=GIVEN)
        case(f'frozen-{layout.lower()}-f16', 555 + i, f'gradients with frozen statistics, layout {layout}', layout,
             shape, t, mode='frozen', given=GIVEN)
    case('inference-nan-inf-f16', 560, 'a non-finite element spoils itself only', 'NC', (7, 7), t, put(bad), None,
         mode='inference', given=GIVEN)
    case('frozen-nan-inf-f16', 561, 'x not finite (1..5), dy not finite (2, 6)', 'NC', (7, 7), t, put(bad),
         put({(2, 3): NAN, (6, 3): INF}), mode='frozen', given=GIVEN)
    case('frozen-mixed-f16-f32', 562, 'x f16, dy f32, frozen: dx is f16 and may overflow', 'NC', (29, 5), t,
         dy=times(30000), dy_dtype='f32', mode='frozen', given=GIVEN)


def sequences():
    """One file, many mini-batches: running statistics after all of them."""
    def sequence(name, *args, before=NEW, **named):
        case('sequence-' + name, *args, dy=None, mode='sequence', before=before, **named)

    for i, convention in enumerate(CONVENTIONS):
        eps = CONVENTIONS[convention][0]
        why = f'ten mini-batches as {convention} counts them'
        sequence(f'{convention}-f32', 600 + i, why, 'NCHW', (40, 3, 2, 3), 'f32', around(2, 3), eps=eps,
                 convention=convention, batch_size=4)
        sequence(f'{convention}-f64', 610 + i, why, 'NC', (80, 4), 'f64', around(Fraction(1, 2), 3), eps=eps,
                 convention=convention, batch_size=8)
    sequence('pytorch-f16', 620, 'ten mini-batches of f16', 'NC', (80, 4), 'f16', around(2, 3), convention='pytorch',
             batch_size=8)
    sequence('keras-f16', 621, 'ten mini-batches of f16, channels last', 'NHWC', (20, 2, 3, 4), 'f16', around(2, 3),
             eps=1e-3, convention='keras', batch_size=2)
    for i, convention in enumerate(('pytorch', 'pytorch-cumulative')):
        sequence(f'integers-{convention}-f32', 622 + i,
                 'integers, 16 a channel: any order of summation gives the same statistics, so F6 alone is on trial',
                 'NC', (160, 4), 'f32', lambda r, c, k: r.getrandbits(8) - 128, convention=convention, batch_size=16)
        sequence(f'mean-1e6-{convention}-f32', 624 + i, 'mean 1e6, deviation 1', 'NC', (320, 3), 'f32',
                 around(10 ** 6), convention=convention, batch_size=32)
    sequence('mean-1e6-pytorch-f64', 626, 'mean 1e6, deviation 1, with space', 'NCHW', (40, 2, 3, 3), 'f64',
             around(10 ** 6), convention='pytorch', batch_size=4)
    sequence('last-shorter-f32', 627, 'the tenth mini-batch has 3 samples, the others 8', 'NC', (75, 4), 'f32',
             convention='pytorch', batch_size=8, before=OLD)
    sequence('last-shorter-cumulative-f64', 628, 'a shorter last mini-batch weighs as much as the others', 'NCL',
             (29, 2, 3), 'f64', around(3), convention='pytorch-cumulative', batch_size=3)
    sequence('cumulative-from-7-f64', 629, 'seven batches went before: the first here has weight 1/8', 'NC', (80, 4),
             'f64', around(2, 3), convention='pytorch-cumulative', batch_size=8, before=OLD)
    sequence('size-1-onnx-f32', 630, 'mini-batches of one sample, m = H*W', 'NCHW', (10, 3, 2, 3), 'f32',
             around(2, 3), convention='onnx', batch_size=1, before=OLD)
    sequence('one-value-flax-f64', 631, 'mini-batches of one value: variance 0, y = beta', 'NC', (10, 3), 'f64',
             convention='flax', batch_size=1)
    sequence('last-one-value-mxnet-f32', 632, 'the last mini-batch has one value, which a biased convention takes',
             'NC', (31, 3), 'f32', eps=1e-3, convention='mxnet', batch_size=5)
    sequence('size-beyond-f32', 633, 'a batch size beyond the samples: one mini-batch', 'NC', (9, 3), 'f32',
             convention='pytorch', batch_size=100)
    sequence('one-dimension-f64', 634, 'one dimension is one channel, its axis the samples', None, (45,), 'f64',
             convention='pytorch', batch_size=6)
    sequence('nan-inf-f32', 635, 'NaN and infinities in mini-batches 2 and 4: y of the others stays, running '
             'statistics do not recover', 'NC', (25, 4), 'f32',
             put({(1, 7): NAN, (2, 5): INF, (3, 8): -INF, (3, 19): INF}), convention='pytorch', batch_size=5)
    sequence('empty-f32', 636, 'no samples: running statistics and their count stay', 'NC', (0, 3), 'f32',
             convention='pytorch', batch_size=4, before=OLD)


def write(out, columns, made):
    """Writes a file for each case of `made` = {name: (row, data)}, and the manifest; other cases go."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob('*.npz'):
        if old.stem not in made:
            old.unlink()
    with open(out / 'manifest.csv', 'w', newline='') as f:
        w = csv.writer(f, lineterminator='\n')
        w.writerow(columns)
        w.writerows(row for row, _ in made.values())
    for name, (_, data) in made.items():
        (out / f'{name}.npz').write_bytes(data)
    print(f'{len(made)} cases, {sum(len(d) for _, d in made.values())} bytes in {out}', file=sys.stderr)


def main():
    all_cases()
    write(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / 'golden'), COLUMNS, made)


if __name__ == '__main__':
    main()
