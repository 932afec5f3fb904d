#!/usr/bin/python3
"""Judges what `batchnorm cases` writes with PyTorch and numpy: both have to give the expected answers to the bit.

    /usr/bin/python3 judge_cases_with_torch.py [COMMAND]      (Debian: apt-get install python3-torch)

COMMAND is how batchnorm is called, ../batchnorm beside this script unless given. PyTorch computes in float32 and
float64 on one thread and on two, through F.batch_norm and autograd; numpy in float16, float32 and float64, by the plain
formulas, in two passes and in one, over values in the order they have and in three shuffled ones. Arrays marked "exact
in any order" are compared bit by bit, with the sign of zeros; the running variance, which rounds, within two ulps of
PyTorch's. Mistakes are made on purpose as well, and each has to be seen. Exit code 1 if anything differs that should
not, or does not that should.
"""
import hashlib
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

warnings.simplefilter('ignore')
COMMAND = sys.argv[1:] or [str(Path(__file__).resolve().parent.parent / 'batchnorm')]
TYPES = {'f16': np.float16, 'f32': np.float32, 'f64': np.float64}
CASES = ['--shape 8,64,7,7 --layout NCHW', '--shape 8,7,7,64 --layout NHWC', '--shape 256,64 --layout NC',
         '--shape 2,5 --layout NC', '--shape 3,4 --layout NC', '--shape 5,3,11 --layout NCL --seed 7',
         '--shape 2,3,4,5,6 --layout NCDHW --seed 3', '--shape 100003,3 --layout NC --seed 2',
         '--shape 32,8,56,56 --layout NCHW --seed 5', '--shape 16,16,4 --channel-axis -1 --biased']


def same(a, b):
    """Equal bits, once both have the wider type; 0 and -0 differ."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and np.array_equal(a, b) and np.array_equal(np.signbit(a), np.signbit(b))


def numpy_kernel(case, T, shuffle, one_pass):
    """Every operation in T; cumsum adds one value after the other."""
    rows = lambda a: np.moveaxis(a, case['axis'], 0).reshape(a.shape[case['axis']], -1).astype(T)
    add = lambda a: np.cumsum(a, axis=1, dtype=T)[:, -1:]
    x, dy = rows(case['x']), rows(case['dy'])
    if shuffle is not None:
        order = np.random.RandomState(shuffle).permutation(x.shape[1])
        x, dy = x[:, order], dy[:, order]
    m, eps = T(x.shape[1]), T(case['eps'])
    g, b = (case[name].astype(T)[:, None] for name in ('gamma', 'beta'))
    mean = add(x) / m
    d = x - mean
    variance = add(x * x) / m - mean * mean if one_pass else add(d * d) / m
    s = T(1) / np.sqrt(variance + eps)
    dbeta = add(dy)
    dot = add(dy * x) - mean * dbeta if one_pass else add(dy * d)
    out = dict(mean=mean, variance=variance, inverse_std=s, dbeta=dbeta, dgamma=dot * s, y=d * s * g + b,
               dx=(dy - dbeta / m - d * (dot / m * s * s)) * (g * s))
    rm, rs = case['running_mean'].astype(T)[:, None], T(1) / np.sqrt(case['running_variance'].astype(T)[:, None] + eps)
    out.update(infer_y=(x - rm) * rs * g + b, frozen_dx=dy * (g * rs), frozen_dgamma=add(dy * (x - rm)) * rs)
    if shuffle is not None:
        back = np.argsort(order)
        for name in ('y', 'dx', 'infer_y', 'frozen_dx'):
            out[name] = out[name][:, back]
    return out


def torch_kernel(case, T, threads):
    torch.set_num_threads(threads)
    t = lambda a: torch.tensor(np.ascontiguousarray(np.moveaxis(a, case['axis'], 1)).astype(T))
    v = lambda name: torch.tensor(case[name].astype(T))
    out = {}
    for frozen in (False, True):
        x, gamma, beta = t(case['x']).requires_grad_(), v('gamma').requires_grad_(), v('beta').requires_grad_()
        rm, rv = v('running_mean'), v('running_variance')
        y = F.batch_norm(x, rm, rv, gamma, beta, not frozen, 0.125, case['eps'])
        y.backward(t(case['dy']))
        rows = lambda a: np.moveaxis(a.detach().numpy(), 1, 0).reshape(a.shape[1], -1)
        if frozen:
            out.update(infer_y=rows(y), frozen_dx=rows(x.grad), frozen_dgamma=gamma.grad.numpy())
        else:
            out.update(y=rows(y), dx=rows(x.grad), dgamma=gamma.grad.numpy(), dbeta=beta.grad.numpy(),
                       running_mean=rm.numpy(), running_variance=rv.numpy())
    return out


def judge(case, found, what):
    """How many arrays have been compared, and which of them differ."""
    compared, wrong = 0, []
    for name, (answer, exactness) in case['expected'].items():
        if name not in found:
            continue
        ours = answer if answer.ndim == 1 else np.moveaxis(answer, case['axis'], 0).reshape(
            answer.shape[case['axis']], -1)
        theirs = np.asarray(found[name]).reshape(ours.shape)
        compared += 1
        if exactness == 'exact in any order':
            fine = same(ours, theirs)
        elif case['biased']:
            fine = True  # PyTorch has no biased running variance
        else:
            fine = bool((np.abs(ours - theirs) <= 2 * np.spacing(np.abs(theirs))).all())
        if not fine:
            wrong.append('%s: %s' % (what, name))
    return compared, wrong


def load(directory):
    manifest = json.loads((directory / 'manifest.json').read_text())
    for entry in manifest['files']:
        data = (directory / entry['file']).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry['sha256'], entry['file']
    case = {name: np.load(directory / (name + '.npy')) for name in ('x', 'dy', 'gamma', 'beta')}
    with np.load(directory / 'running.npz') as running:
        case.update(running_mean=running['running_mean'], running_variance=running['running_variance'])
    case.update(axis=manifest['channel_axis'], eps=manifest['eps'], arithmetic=manifest['arithmetic'],
                biased=manifest['running_variance'] == 'biased', expected={})
    for entry in manifest['files']:
        if entry['role'] == 'expected':
            name = Path(entry['file']).stem
            if not (case['biased'] and name == 'running_variance'):
                case['expected'][name] = np.load(directory / entry['file']), entry['exactness']
    return case


def main():
    compared, wrong, seen, mistakes = 0, [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number, options in enumerate(CASES):
            for dtype in ('f16', 'f32', 'f64'):
                shape = [int(s) for s in options.split()[1].split(',')]
                probe = Path(folder) / ('%d-%s' % (number, dtype))
                line = options.split() + ['--dtype', dtype, '-o', str(probe)]
                small = np.prod(shape) / min(shape) <= 591 and dtype == 'f16'
                if dtype == 'f16' and not small:
                    line += ['--arithmetic', 'f32']
                subprocess.run(COMMAND + ['cases'] + line, check=True)
                case = load(probe)
                lowest = list(TYPES).index(case['arithmetic'])
                results = []
                for T in list(TYPES.values())[lowest:]:
                    for shuffle in (None, 1, 2, 3):
                        for one_pass in (False, True):
                            what = 'numpy %s %s, shuffle %s, %s' % (
                                T.__name__, options, shuffle, 'one pass' if one_pass else 'two passes')
                            results.append(judge(case, numpy_kernel(case, T, shuffle, one_pass), what))
                    if T != np.float16:
                        for threads in (1, 2):
                            what = 'torch %s %s, %d threads' % (T.__name__, options, threads)
                            results.append(judge(case, torch_kernel(case, T, threads), what))
                here = sum(r[0] for r in results)
                bad = [w for r in results for w in r[1]]
                compared += here
                wrong += bad
                # Mistakes: another eps, one value changed by an ulp, gamma of the next channel.
                good = numpy_kernel(case, TYPES['f64'], None, False)
                ulp = dict(good, y=good['y'].astype(TYPES[dtype]).copy())
                ulp['y'].flat[-1] = np.nextafter(ulp['y'].flat[-1], TYPES[dtype](np.inf))
                for mistaken in (numpy_kernel(dict(case, eps=case['eps'] / 2), np.float64, None, False), ulp,
                                 numpy_kernel(dict(case, gamma=case['gamma'] + 1), np.float64, None, False)):
                    mistakes += 1
                    seen += bool(judge(case, mistaken, '')[1])
                print('%-48s %s in %s: %4d arrays, %d differ' % (options, dtype, case['arithmetic'], here, len(bad)))
    for each in wrong[:20]:
        print(each)
    print('torch %s, numpy %s: %d arrays, %d differ; %d of %d mistakes seen' % (
        torch.__version__, np.__version__, compared, len(wrong), seen, mistakes))
    sys.exit(1 if wrong or seen < mistakes else 0)


if __name__ == '__main__':
    main()
