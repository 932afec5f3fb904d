#!/usr/bin/python3
"""Makes cases for `batchnorm audit` of what real programs give, used rightly, and as people mistake them.

    /usr/bin/python3 make_audit_frameworks.py DIR      (Debian: apt-get install python3-torch python3-onnx)

PyTorch's modules and functions do the work on one thread, with its autograd. ONNX is the reference that its own node
tests are made with, `onnx.backend.test.case.node.batchnorm` (onnx.reference came after Debian's 1.12). Keras, Flax,
MXNet and DL4J are their conventions written in NumPy. The files and the table are those of make_audit_cases.py; what
is expected is what PyTorch's defaults, or the options in the row, should lead to. A case is refused unless the exact
equations under the expected conventions give its values within the bound of the type.
"""
import argparse
import inspect

import numpy as np
import onnx
import onnx.backend.test.case.node.batchnorm as onnx_node
import torch
import torch.nn.functional as F

from make_audit_cases import (ARITHMETIC, EXACT, F32, F64, GRADIENTS, RUN, STATISTICS, Case, Writer, bound,
                              data_name, distance, drawn_case, largest_ratio, results, rounding)

torch.set_num_threads(1)
TYPES = {F32: torch.float32, F64: torch.float64}
AFTER_TRAINING = ['y', 'mean', 'inverse_std'] + RUN + GRADIENTS


def write_checked(writer, who, case, layout, given, theirs, expected, note, also=(), extra=''):
    """Writes a case whose values the expected conventions explain."""
    asked = {'stale_statistics'} if '--frozen' in extra else set()
    if '--convention' in extra:
        asked |= {'momentum_old', 'biased_running_variance'}
    expectation = set() if expected == 'PASSED' else set(expected.split('+'))
    dtype = F32 if expectation & set(ARITHMETIC) else case.x.dtype.type
    limit = bound(case, given, dtype, any(n.startswith('one_pass') for n in expectation))
    if 'with autograd' in note:
        limit['dx'] = limit['dx'] + np.inf  # the equations take 1/m
    prediction = results(case, asked | expectation - set(ARITHMETIC), EXACT)
    limit = {k: limit[k] + 8 * v for k, v in rounding(case, given, prediction, dtype).items()}
    off = largest_ratio(distance(case, given, theirs, prediction), limit)
    moved = distance(case, given, theirs, results(case, asked, EXACT))
    times = '', largest_ratio(moved, bound(case, given, case.x.dtype.type))
    if off > 1 or (times[1] > 1) != bool(expectation):
        raise SystemExit(f'{note}: {off:.3g} bounds off {expected}, {times[1]:.3g} off what was asked for')
    writer.write(who, case, layout, given, theirs, expected, note, also, times, extra)


def tensor(a):
    return torch.tensor(a)


def array(t):
    return np.ascontiguousarray(t.detach().numpy())


def inputs(seed, layout, shape, dtype, kind='mild', **options):
    return drawn_case(np.random.default_rng([2026, seed]), kind, dtype, layout, shape,
                      **{**dict(gradients=True, running=True), **options})


def module_for(case, **options):
    """The module of the right number of axes with the case's parameters and running statistics."""
    kind = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)[case.x.ndim - 2]
    module = kind(case.x.shape[1], **{**dict(eps=case.eps, momentum=case.momentum), **options})
    module = module.to(tensor(case.x).dtype)
    with torch.no_grad():
        if module.affine and case.gamma is not None:
            module.weight.copy_(tensor(case.gamma))
            module.bias.copy_(tensor(case.beta))
        module.running_mean.copy_(tensor(case.running[0]))
        module.running_var.copy_(tensor(case.running[1]))
    return module


def run(case, module, training=True, channels_last=False):
    """y, running statistics and gradients of a module; saved statistics of the function behind it."""
    x = tensor(case.x)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_(True)
    module.train(training)
    y = module(x)
    y.backward(tensor(case.dy))
    found = {'y': array(y), 'dx': array(x.grad), 'running_mean': array(module.running_mean).copy(),
             'running_variance': array(module.running_var).copy()}
    if module.affine:
        found.update(dgamma=array(module.weight.grad), dbeta=array(module.bias.grad))
    _, mean, inverse = torch.native_batch_norm(x, module.weight, module.bias, None, None, True, 0.1, module.eps)
    found.update(mean=array(mean), inverse_std=array(inverse))
    return found


def by_hand(case, formula, gradients=False):
    """y by a user's own lines, with autograd's gradients. formula takes x and the axes to reduce."""
    x, gamma, beta = (tensor(v).requires_grad_(True) for v in (case.x, case.gamma, case.beta))
    axes = [k for k in range(case.x.ndim) if k != case.axis]
    column = [-1 if k == case.axis else 1 for k in range(case.x.ndim)]
    y = formula(x, axes) * gamma.reshape(column) + beta.reshape(column)
    found = {'y': array(y)}
    if gradients:
        y.backward(tensor(case.dy))
        found.update(dx=array(x.grad), dgamma=array(gamma.grad), dbeta=array(beta.grad))
    return found


def torch_cases(writer):
    version = f'torch {torch.__version__}'

    def write(case, layout, given, theirs, expected, note, also=(), extra='', drop=()):
        for name in drop:
            setattr(case, name, None)
        if not set(given) & set(GRADIENTS):
            case.dy = None
        if not set(given) & set(RUN) and '--frozen' not in extra and 'stale' not in expected:
            case.running = None
        write_checked(writer, 'torch', case, layout, given, theirs, expected, f'{version}: {note}', also, extra=extra)

    for dtype in (F32, F64):
        for seed, layout, shape, kind in (
                (1, 'NC', (48, 6), 'mild'), (2, 'NCHW', (5, 4, 3, 4), 'mild'), (3, 'NCL', (7, 3, 9), 'skewed'),
                (4, 'NCDHW', (3, 2, 2, 3, 4), 'mild'), (5, 'NC', (64, 4), (100.0, 1.0)),
                (6, 'NCHW', (8, 2, 4, 4), (1e4, 1.0)), (7, 'NC', (32, 5), 'small')):
            case = inputs(seed, {'NCDHW': 'NCL'}.get(layout, layout), shape, dtype, kind)
            write(case, layout, AFTER_TRAINING, run(case, module_for(case)), 'PASSED',
                  f'training, {data_name(kind)}')
        case = inputs(8, 'NCHW', (5, 4, 3, 4), dtype)
        theirs = run(case, module_for(case), channels_last=True)
        write(case, 'NCHW', AFTER_TRAINING, theirs, 'PASSED', 'training, channels_last')
        case = inputs(9, 'NCHW', (5, 4, 3, 4), dtype)
        write(case, 'NCHW', ['y'] + GRADIENTS, run(case, module_for(case), training=False), 'PASSED',
              'inference with frozen statistics, said so', extra='--frozen')

        case = inputs(10, 'NCHW', (5, 4, 3, 4), dtype)
        theirs = run(case, module_for(case), training=False)
        write(case, 'NCHW', ['y'], theirs, 'stale_statistics', 'left in eval()')
        case = inputs(11, 'NC', (40, 5), dtype)
        theirs = run(case, module_for(case), training=False)
        write(case, 'NC', ['y', 'dx'], theirs, 'stale_statistics', 'left in eval(), with dx')
        case = inputs(12, 'NC', (40, 5), dtype)
        write(case, 'NC', ['y'] + RUN, run(case, module_for(case, momentum=0.9)), 'momentum_old',
              'momentum=0.9 where 0.1 was meant')
        case = inputs(13, 'NCHW', (5, 4, 3, 4), dtype, 'small')
        theirs = run(case, module_for(case, eps=1e-3))
        write(case, 'NCHW', AFTER_TRAINING, theirs, 'eps_1e-3', 'eps=1e-3, as a Keras model has')
        case = inputs(14, 'NC', (40, 5), dtype)
        theirs = run(case, module_for(case, affine=False))
        write(case, 'NC', ['y'], theirs, 'beta_missing+gamma_missing', 'affine=False')
        case = inputs(15, 'NC', (40, 5), dtype)
        module = module_for(case)
        swapped = module.weight.data.clone()
        module.weight.data, module.bias.data = module.bias.data.clone(), swapped
        write(case, 'NC', ['y', 'dx'], run(case, module), 'gamma_beta_swapped', 'weight and bias exchanged')
        case = inputs(16, 'NC', (40, 5), dtype)
        theirs = run(case, module_for(case))
        theirs['variance'], case.inverse_std_for_variance = theirs['inverse_std'], True
        write(case, 'NC', ['y', 'mean', 'variance'], theirs, 'variance_as_inverse_std',
              'save_invstd taken for the variance')

        def unbiased(x, a):
            return (x - x.mean(a, True)) / torch.sqrt(x.var(a, True, True) + 1e-5)

        axes_of = '(x - x.mean(axes)) / '
        case = inputs(17, 'NCHW', (4, 3, 2, 2), dtype)
        write(case, 'NCHW', ['y'], by_hand(case, unbiased), 'unbiased_variance', axes_of + 'sqrt(x.var(axes) + eps)')
        case = inputs(18, 'NC', (12, 6), dtype)
        write(case, 'NC', ['y'] + GRADIENTS, by_hand(case, unbiased, True), 'unbiased_variance',
              axes_of + 'sqrt(x.var(axes) + eps), with autograd, so that dx has 1/(m - 1) too')
        case = inputs(19, 'NC', (16, 6), dtype, 'small')
        write(case, 'NC', ['y'], by_hand(case, lambda x, a: (x - x.mean(a, True)) / (x.std(a, True, True) + 1e-5)),
              'eps_outside_root+unbiased_variance', axes_of + '(x.std(axes) + eps)')
        case = inputs(20, 'NCHW', (6, 3, 2, 3), dtype, 'small')
        write(case, 'NCHW', ['y'], by_hand(case, lambda x, a: (x - x.mean(a, True)) / (x.std(a, False, True) + 1e-5)),
              'eps_outside_root', axes_of + '(x.std(axes, unbiased=False) + eps)')
        case = inputs(21, 'NC', (30, 5), dtype, 'small')
        write(case, 'NC', ['y'], by_hand(case, lambda x, a: (x - x.mean(a, True)) / x.std(a, False, True)),
              'eps_missing', axes_of + 'x.std(axes, unbiased=False)')
        case = inputs(22, 'NC', (9, 5), dtype)
        theirs = run(case, module_for(case))
        theirs['running_variance'] = array(0.9 * tensor(case.running[1]) + 0.1 * tensor(case.x).var(0, unbiased=False))
        write(case, 'NC', RUN, theirs, 'biased_running_variance', 'running_var of var(unbiased=False)')
        case = inputs(23, 'NC', (14, 14), dtype, affine=False)
        case.wrong_view = (case.x.shape, 0)
        theirs = {'y': array(F.layer_norm(tensor(case.x), case.x.shape[1:]))}
        write(case, 'NC', ['y'], theirs, 'wrong_axis', 'F.layer_norm')
        case = inputs(24, 'NCHW', (4, 6, 3, 3), dtype, affine=False)
        theirs = {'y': np.ascontiguousarray(np.moveaxis(run(case, module_for(case, affine=False))['y'], 1, -1))}
        moved = Case(np.ascontiguousarray(np.moveaxis(case.x, 1, -1)), 1, case.eps, case.momentum, running=case.running)
        moved.wrong_view = (moved.x.shape, 3)
        write(moved, '', ['y'], theirs, 'wrong_axis', 'channels last in the file, audited along axis 1')

    case = inputs(25, 'NC', (40, 5), F32)
    theirs = {k: v.astype(F64) for k, v in run(case, module_for(case)).items()}
    for name in ('x', 'gamma', 'beta', 'dy'):
        setattr(case, name, getattr(case, name).astype(F64))
    arithmetic = ['one_pass_f32', 'one_pass_f32_clipped', 'welford_f32']
    write(case, 'NC', ['y', 'mean'], theirs, 'two_pass_f32', '.float() on the way, stored as float64', also=arithmetic)
    for offset, deviation, names, clip in (
            (1e3, 1.0, 'one_pass_f32', False), (3e3, 0.05, 'one_pass_f32_clipped', True)):
        case = inputs(26, 'NC', (64, 6), F32, (offset, deviation))

        def one_pass(x, a):
            mean = x.mean(a, True)
            variance = (x * x).mean(a, True) - mean * mean
            return (x - mean) / torch.sqrt((variance.clamp(min=0) if clip else variance) + 1e-5)
        note = f'x.pow(2).mean() - x.mean()**2{", clamped" if clip else ""}'
        write(case, 'NC', ['y'], by_hand(case, one_pass), names, note,
              also=() if clip else ['one_pass_f32_clipped'])


def onnx_cases(writer):
    version = f'onnx {onnx.__version__}, node tests'
    training = onnx_node._batchnorm_training_mode
    momentum = inspect.signature(training).parameters['momentum'].default
    for seed, layout, shape, typed, extra, expected in (
            (31, 'NCHW', (2, 3, 4, 5), 0.1, '', 'biased_running_variance'),
            (32, 'NCHW', (2, 3, 4, 5), 0.9, '', 'biased_running_variance+momentum_old'),
            (33, 'NCHW', (2, 3, 4, 5), 0.9, '--convention onnx', 'PASSED'),
            (34, 'NC', (10, 5), 0.9, '', 'biased_running_variance+momentum_old')):
        case = inputs(seed, layout, shape, F32, gradients=False)
        case.momentum = typed
        y, mean, variance = training(case.x, case.gamma, case.beta, *case.running)
        theirs = {'y': y, 'running_mean': mean.astype(F32), 'running_variance': variance.astype(F32)}
        note = f'{version}: training_mode=1, momentum {momentum} of the old'
        write_checked(writer, 'onnx', case, layout, ['y'] + RUN, theirs, expected, note, extra=extra)
    case = inputs(35, 'NCHW', (2, 3, 4, 5), F32, gradients=False)
    y = onnx_node._batchnorm_test_mode(case.x, case.gamma, case.beta, *case.running).astype(F32)
    write_checked(writer, 'onnx', case, 'NCHW', ['y'], {'y': y}, 'stale_statistics', f'{version}: training_mode=0')
    case = inputs(36, 'NCHW', (2, 3, 4, 5), F32, 'small', gradients=False)
    y, _, _ = training(case.x, case.gamma, case.beta, *case.running, epsilon=1e-3)
    case.running = None
    write_checked(writer, 'onnx', case, 'NCHW', ['y'], {'y': y}, 'eps_1e-3', f'{version}: epsilon 1e-3')


def lines(case, eps, keep, one_pass=False, clipped=False, running_eps=0.0):
    """The training step that most sources share: biased statistics, momentum of the old value."""
    T = case.x.dtype.type
    axes = tuple(k for k in range(case.x.ndim) if k != case.axis)
    shape = [-1 if k == case.axis else 1 for k in range(case.x.ndim)]
    mean = case.x.mean(axis=axes)
    if one_pass:
        variance = (case.x * case.x).mean(axis=axes) - mean * mean
        variance = np.maximum(variance, T(0)) if clipped else variance
    else:
        variance = case.x.var(axis=axes)
    inverse = T(1) / np.sqrt(variance + T(eps))
    scale = inverse if case.gamma is None else inverse * case.gamma
    y = (case.x - mean.reshape(shape)) * scale.reshape(shape)
    if case.beta is not None:
        y = y + case.beta.reshape(shape)
    old, new = T(keep), T(1) - T(keep)
    return {'y': y, 'mean': mean, 'variance': variance, 'inverse_std': inverse,
            'running_mean': case.running[0] * old + mean * new,
            'running_variance': case.running[1] * old + (variance + T(running_eps)) * new}


def source_cases(writer):
    def write(who, seed, layout, shape, dtype, kind, typed, given, theirs_of, expected, note, also=(), extra='',
              eps=1e-5):
        case = inputs(seed, layout, shape, dtype, kind, gradients=False)
        case.momentum, case.eps = typed, eps
        theirs = theirs_of(case)
        if not set(given) & set(RUN):
            case.running = None
        write_checked(writer, who, case, layout, given, theirs, expected, note, also, extra=extra)

    keras, note = (lambda c: lines(c, 1e-3, 0.99)), 'Keras 3 in NumPy: eps 1e-3, momentum 0.99 of the old, biased'
    write('keras', 41, 'NHWC', (4, 3, 3, 5), F32, 'mild', 0.01, ['y'], keras, 'eps_1e-3', note)
    write('keras', 42, 'NC', (20, 6), F32, 'small', 0.01, ['y'] + RUN, keras, 'biased_running_variance+eps_1e-3', note)
    write('keras', 43, 'NC', (20, 6), F32, 'mild', 0.99, RUN, keras, 'biased_running_variance+momentum_old', note)
    write('keras', 44, 'NHWC', (4, 3, 3, 5), F32, 'mild', 0.01, RUN, keras, 'biased_running_variance', note)
    write('keras', 45, 'NHWC', (4, 3, 3, 5), F32, 'mild', 0.99, ['y'] + STATISTICS + RUN, keras, 'PASSED', note,
          extra='--convention keras', eps=1e-3)
    flax = (lambda c: lines(c, 1e-5, 0.99, True, True))
    note = 'Flax in NumPy: one-pass clipped, momentum 0.99 of the old, biased'
    write('flax', 51, 'NC', (40, 6), F32, (3e3, 0.05), 0.01, ['y', 'mean', 'variance'], flax,
          'one_pass_f32_clipped', note)
    write('flax', 52, 'NHWC', (4, 3, 3, 5), F32, (1e3, 1.0), 0.01, ['y'], flax, 'one_pass_f32_clipped', note,
          also=['one_pass_f32'])
    write('flax', 53, 'NC', (20, 6), F32, 'mild', 0.99, RUN, flax, 'biased_running_variance+momentum_old', note)
    write('flax', 54, 'NC', (20, 6), F32, 'normal', 0.99, ['y'] + RUN, flax, 'PASSED', note, extra='--convention flax')
    for dtype in (F32, F64):
        def mxnet(c):
            found = lines(c, 1e-3, 0.9)
            c.inverse_std_for_variance = True
            return {**found, 'variance': found['inverse_std']}
        note = 'MXNet in NumPy: eps 1e-3, momentum 0.9 of the old, biased'
        write('mxnet', 61, 'NCHW', (4, 5, 3, 3), dtype, 'mild', 0.1, ['y'] + RUN, mxnet,
              'biased_running_variance+eps_1e-3', note)
        write('mxnet', 62, 'NC', (30, 5), dtype, 'small', 0.1, ['y', 'mean', 'variance'], mxnet,
              'eps_1e-3+variance_as_inverse_std', note + '; saves 1/std as its variance')

        def fixed(c):
            gamma, c.gamma = c.gamma, None
            found = lines(c, 1e-3, 0.9)
            c.gamma = gamma
            return found
        write('mxnet', 63, 'NC', (30, 5), dtype, 'mild', 0.1, ['y'], fixed, 'gamma_missing',
              note + '; fix_gamma=True', eps=1e-3)
        note = 'DL4J in NumPy: decay 0.9 of the old, variance + eps averaged'
        write('dl4j', 71, 'NC', (12, 5), dtype, 'small', 0.1, RUN, lambda c: lines(c, 1e-5, 0.9, running_eps=1e-5),
              'biased_running_variance+eps_in_running_variance', note)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder')
    writer = Writer(parser.parse_args().folder)
    torch_cases(writer)
    onnx_cases(writer)
    source_cases(writer)
    writer.close()
    size = sum(f.stat().st_size for f in writer.folder.iterdir())
    print(f'{len(writer.rows)} cases in {writer.folder}, {size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
