#!/usr/bin/env python3
"""Makes malformed/*, malformed/cases.csv and the tables of docs/errors.md: every refusal, what causes it, its words.

The files are small, wrong on purpose, and harmless: the object arrays hold no pickle that does anything. A case is
a call of case(...): a command line, and the exact lines it must be answered with. The test MalformedFilesTest runs
them all. Nothing but Python's standard library; running it twice gives the same bytes.

    python3 make_malformed.py            writes malformed/* and the tables between the marks of docs/errors.md
    python3 make_malformed.py --check    writes nothing; says what it would change
"""
import csv
import io
import struct
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / 'docs' / 'errors.md'
BEGIN, END = '<!-- made by testdata/make_malformed.py -->', '<!-- end -->'
COLUMNS = ['case', 'command', 'setup', 'stdin', 'exit', 'message', 'hint', 'why']
NAN, INF = float('nan'), float('inf')

files = {}
cases = {}
topics = []


# ---------------------------------------------------------------------------------------------
# Files as bytes.

def packed(descr, values):
    """The bytes of the values; descr as numpy writes it."""
    letter = {'f2': 'e', 'f4': 'f', 'f8': 'd', 'i8': 'q', 'u8': 'Q', 'u1': 'B', 'i4': 'i'}[descr[-2:]]
    return struct.pack('<%d%s' % (len(values), letter), *values)


def header(text, version=(1, 0), length=None):
    """What stands before an NPY file's values: the text padded to a multiple of 64 bytes."""
    size = '<H' if version[0] == 1 else '<I'
    prefix = 8 + struct.calcsize(size)
    data = text.encode('utf-8')
    data += b' ' * (-(prefix + len(data) + 1) % 64) + b'\n'
    return b'\x93NUMPY' + bytes(version) + struct.pack(size, len(data) if length is None else length) + data


def dictionary(descr, shape, fortran='False'):
    return "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, shape)


def npy(shape, values, descr='<f8'):
    """A good NPY file."""
    return header(dictionary(descr, shape)) + packed(descr, values)


GOOD = npy((3, 2), [1, 2, 3, 4, 5, 9])


def deflated(data):
    """Deflate with nothing but runs of one byte: zlib's output differs from version to version."""
    bits, at = [1, 1, 0], 0  # the last block; fixed codes, which go in from their highest bit, numbers from the lowest
    while at < len(data):
        v = data[at]
        code, length = (0x30 + v, 8) if v < 144 else (0x190 + v - 144, 9)
        bits += [code >> i & 1 for i in reversed(range(length))]
        at += 1
        while data[at:at + 258] == bytes([v]) * 258:
            bits += [1, 1, 0, 0, 0, 1, 0, 1] + [0] * 5  # the 258 bytes at distance 1
            at += 258
    bits += [0] * 7
    bits += [0] * (-len(bits) % 8)
    return bytes(sum(bits[i + j] << j for j in range(8)) for i in range(0, len(bits), 8))


def member(name, data, method=0, flags=0, **other):
    """A member of a ZIP file. Others than these are said as the file shall say them: size, compressed, crc, local
    (the name in front of the data), at (where the directory says it is), extra (in the directory)."""
    m = dict(name=name, stored=deflated(data) if method == 8 else data, method=method, flags=flags, size=len(data),
             compressed=None, crc=zlib.crc32(data), local=name, at=None, extra=b'')
    m.update(other)
    return m


def zipped(*members, count=None, start=None, size=None, tail=b'', gap=b''):
    """A ZIP file; count, start and size are what its end says of the directory, tail follows the directory."""
    body, directory = b'', b''
    for m in members:
        compressed = len(m['stored']) if m['compressed'] is None else m['compressed']
        at = len(body) if m['at'] is None else m['at']
        common = struct.pack('<HHHHIII', m['flags'], m['method'], 0, 33, m['crc'], compressed, m['size'])
        local, name = m['local'].encode(), m['name'].encode()
        body += b'PK\3\4' + struct.pack('<H', 20) + common + struct.pack('<HH', len(local), 0) + local + m['stored']
        directory += (b'PK\1\2' + struct.pack('<HH', 20, 20) + common
                      + struct.pack('<HHHHHII', len(name), len(m['extra']), 0, 0, 0, 0, at) + name + m['extra'])
    body += gap
    number = len(members) if count is None else count
    end = b'PK\5\6' + struct.pack('<HHHHIIH', 0, 0, number, number, len(directory) if size is None else size,
                                  len(body) if start is None else start, 0)
    return body + directory + tail + end


def npz(**arrays):
    """A good NPZ file of NPY files given as bytes."""
    return zipped(*[member(name + '.npy', data) for name, data in arrays.items()])


def doubles(*values):
    return npy((len(values),), values)


def integers(*values):
    return npy((len(values),), values, '<i8')


def state(**changed):
    """The state of two channels that hold 1, 3 and 2, 5; members given here take the place of those. None leaves
    one out."""
    members = dict(
        state=npy((), [1], '<i8'), count=integers(2, 2), flags=npy((2,), [0, 0], '|u1'),
        sum_x_exponent=integers(2, 0), sum_x_limbs=integers(1, 1), sum_x=npy((2,), [1, 7], '<u8'),
        sum_xx_exponent=integers(1, 0), sum_xx_limbs=integers(1, 1), sum_xx=npy((2,), [5, 29], '<u8'),
        mean=doubles(2, 3.5), variance=doubles(1, 2.25))
    members.update(changed)
    return npz(**{name: data for name, data in members.items() if data is not None})


def limbs(*values):
    return npy((len(values),), [v % 2 ** 64 for v in values], '<u8')


# ---------------------------------------------------------------------------------------------
# Cases.

def topic(code, title, intro):
    topics.append((code, title, intro))


def file(name, data):
    assert name not in files, name
    files[name] = data.encode() if isinstance(data, str) else data
    return name


def case(name, command, message, why, cure='', hint='', setup='', stdin=''):
    """A refusal: the command line as typed in the folder malformed, the line on standard error without its
    "batchnorm: ", the cause, and the hint without its "hint: ". The exit code is the topic's. The cure is for
    docs/errors.md, where it stands before the hint. setup: what version control cannot hold, see README.md."""
    assert name not in cases, name
    code, title, _ = topics[-1]
    cases[name] = ([name, command, setup, stdin, code, message, hint, why], cure, title)


# All commands, in the order of batchnorm --help.
COMMANDS = ('forward, infer, backward, stats, covariance, reparam, fold, inspect, convert, compare, verify, '
            'golden, audit, gradcheck, cases, engines')


def usage_cases():
    file('x.csv', 'a,b\n1,2\n3,4\n5,9\n')
    file('dy.csv', 'a,b\n0.5,1\n-1,2\n3,0\n')
    file('old.csv', 'what stood there before\n')
    file('old.npy', 'what stood there before\n')
    file('old.npz', 'what stood there before\n')

    topic(2, 'Commands and options', 'The line was not understood. `batchnorm COMMAND --help` tells what it may hold.')
    case('no-command', '',
         'expected a command, found none',
         'Nothing was asked for.',
         hint='batchnorm --help')
    case('unknown-command', 'normalise x.csv',
         'expected a command (%s), found "normalise"' % COMMANDS,
         'There is no command of that name.', 'Names are written out and in lower case.')
    case('no-input', 'forward',
         'expected INPUT, found none',
         'The command needs an INPUT.',
         hint='batchnorm forward --help')
    case('second-input', 'forward x.csv dy.csv',
         'expected no further argument, found "dy.csv"',
         'The command takes one INPUT.', 'An output is named by `-o`.')
    case('unknown-option', 'forward x.csv --nope',
         'expected an option of forward, found "--nope"',
         'The command has no such option.',
         hint='batchnorm forward --help')
    case('missing-option', 'backward x.csv',
         'expected --dy DY, found none',
         'An option that the command cannot do without is not there.',
         hint='batchnorm backward --help')
    case('option-twice', 'forward x.csv --eps 1 --eps 2',
         '--eps: expected it once, found it twice',
         'An option was given twice, and which was meant is not guessed.',
         hint='batchnorm forward --help')
    case('option-without-value', 'forward x.csv --eps',
         '--eps: expected E behind it, found none',
         'The option ends the line, where its value should follow.',
         hint='batchnorm forward --help')
    case('option-for-value', 'forward x.csv --beta --eps 1',
         '--beta: expected B behind it, found none',
         'Another option follows where the value should.',
         hint='batchnorm forward --help')
    case('empty-name', "forward ''",
         'INPUT: expected a file, found an empty name',
         'A file was given as an empty text, in scripts often a variable that is not set.')
    case('stdin-twice', 'backward - --dy - -o old.npz',
         '--dy: expected another input, found standard input, which is INPUT already',
         'Standard input was to be read twice, and it is text, which holds one array.', stdin='x.csv',
         hint='one NPZ on standard input may serve several options')
    case('stats-stdin-twice', 'stats - x.csv -',
         'INPUT: expected standard input once, found it twice',
         'Standard input stands twice among several INPUTs.', stdin='x.csv')

    file('units.csv', 'u,v\n1,0.5\n-1,2\n')
    case('reparam-of-what', 'reparam --weights units.csv',
         'expected one of --input INPUT, --covariance S and --weight-norm, found none',
         'Nothing was named to normalise the weights by.',
         hint='--input INPUT takes mean and covariance from data')

    case('golden-nothing', 'golden',
         'expected golden record or check, found none',
         'Golden cases are recorded or checked.',
         hint='batchnorm golden --help')
    case('golden-same-names', 'golden record golden x.csv x.csv',
         'INPUT: expected inputs of different names, found x.csv and x.csv (both are case x)',
         'Two cases would be one directory.',
         hint='--name NAME names the case of a single INPUT')

    topic(2, 'Values of options', 'What an option was given is not of its kind.')
    case('not-whole', 'forward x.csv --threads many',
         '--threads: expected a whole number, found "many"',
         'The option takes digits alone.')
    case('too-long-a-number', 'forward x.csv --threads 99999999999',
         '--threads: expected a whole number that a machine can count to, found "99999999999"',
         'The whole number is beyond 2^31 − 1.')
    case('no-threads', 'forward x.csv --threads 0',
         '--threads: expected a number ≥ 1, found 0',
         'Nothing can be computed without a thread.')
    case('unknown-formula', 'forward x.csv --formula two-passes',
         '--formula: expected one of exact, one-pass, one-pass-clipped, welford, two-pass, found "two-passes"',
         'There is no plain formula of that name.')
    case('no-batch-size', 'forward x.csv --batch-size 0',
         '--batch-size: expected a whole number ≥ 1, found 0',
         'A mini-batch holds at least one sample.')
    case('compare-stdin-twice', 'compare - -',
         'A and B: expected two inputs, found standard input for both',
         'Standard input cannot be compared with itself.')
    case('ulp-not-whole', 'compare x.csv dy.csv --ulp 0.5',
         '--ulp: expected a whole number from 0 to 9007199254740991, found 0.5',
         'Ulps are counted, and no result lies between two neighbours.')
    case('bitwise-and-tolerance', 'compare x.csv dy.csv --bitwise --atol 0',
         '--bitwise and --atol: expected one of the two, found both',
         'To the bit no deviation passes, so a tolerance would say nothing.',
         hint='to the bit there is no tolerance; --ulp 0 alone compares values')
    case('first-not-whole', 'compare x.csv dy.csv --first all',
         '--first: expected a whole number from 0 to 1000000, found all',
         'So many differing elements are shown; each is kept in memory.')
    case('eps-inspect', 'inspect x.csv --eps -1e-5',
         '--eps: expected a finite number ≥ 0, found -1e-5',
         'Variances are judged by an eps that could be used.')
    case('eps-negative', 'forward x.csv --eps -1',
         '--eps: expected a finite number ≥ 0, found -1',
         'Eps below 0 could make the root of a negative number.')
    case('eps-infinite', 'infer x.csv --running given.npz --eps inf',
         '--eps: expected a finite number ≥ 0, found inf',
         'An infinite eps makes every result beta.')
    case('eps-not-a-number', 'backward x.csv --dy dy.csv --eps 0x1p3',
         '--eps: expected a finite number ≥ 0, found 0x1p3',
         'Numbers are decimal; this is one of another language.')
    case('momentum-outside', 'forward x.csv --running new --momentum 2 --save old.npz',
         '--momentum: expected a number from 0 to 1 or cumulative, found 2',
         'Momentum is a weight.')
    case('convention', 'forward x.csv --convention caffe',
         '--convention: expected one of pytorch, onnx, keras, flax, mxnet, found "caffe"',
         'No convention of that name is known.')
    case('layout', 'forward x.csv --layout NCX',
         '--layout: expected one of NC, NCL, NCHW, NCDHW, NLC, NHWC, NDHWC, found "NCX"',
         'No order of axes has that name.', '`--channel-axis K` takes any order.')
    case('format', 'forward x.csv --format xml',
         '--format: expected one of csv, tsv, npy, npz, found "xml"',
         'INPUT is to be read in a format that is not known.')
    case('to', 'forward x.csv --to xml',
         '--to: expected one of csv, tsv, npy, npz, found "xml"',
         'The output is to be written in a format that is not known.')
    case('dtype', 'forward x.csv --dtype bf16',
         '--dtype: expected one of f16, f32, f64, found "bf16"',
         'Results have one of three types.')
    case('header', 'forward x.csv --header maybe',
         '--header: expected one of auto, yes, no, found "maybe"',
         'The first record is a header, or none, or it is found out.')
    case('missing', 'forward x.csv --missing zero',
         '--missing: expected nan, skip or ignore, found "zero"',
         'No number is made up for an empty cell.')
    case('missing-backward', 'backward x.csv --dy x.csv --missing ignore',
         '--missing: expected nan or skip for backward, found ignore',
         'A gradient belongs to a whole batch: a cell that is left out has none.',
         hint='forward, infer, stats and convert can leave cells out')
    case('level', 'covariance x.csv --level quick',
         '--level: expected one of exact, fast, found "quick"',
         'There are two levels: exact sums, or plain ones with a bound.')
    case('max-memory', 'forward x.csv --max-memory lots',
         '--max-memory: expected a size such as 500M or 2G, found lots',
         'A size is a number of bytes, or of K, M, G or T, which count in 1024.')
    case('statistics', 'infer x.csv --running given.npz --statistics both',
         '--statistics: expected one of batch, running, found "both"',
         'One set of statistics is normalised with.')
    case('no-columns', "forward x.csv --columns ' '",
         '--columns: expected names, numbers or ranges, found an empty list',
         'The list of columns is blank.')
    case('delimiter-long', 'forward x.csv --delimiter ab',
         '--delimiter: expected one character, found "ab"',
         'A delimiter is one character.', 'A tab is written `tab`.')
    case('delimiter-digit', 'forward x.csv --delimiter 1',
         "--delimiter: expected one ASCII character that no number contains, found '1'",
         'This delimiter would cut numbers.')
    case('comment-blank', "forward x.csv --comment ' '",
         "--comment: expected one visible ASCII character, found ' '",
         'This character cannot be seen at the start of a comment.')
    case('comment-delimiter', 'forward x.csv --comment ,',
         "--comment: expected another character than the delimiter, found ','",
         'A line beginning with an empty cell would be a comment.')

    case('golden-name', 'golden record golden x.csv --name a/b',
         '--name: expected a name for a directory, found "a/b"',
         'The name has a slash, begins with a dot, or is empty.')

    topic(2, 'Options that go together', 'One option asks for another, or excludes it.')
    case('golden-name-several', 'golden record golden x.csv dy.csv --name a',
         '--name: expected one INPUT, found 2',
         'One name cannot be that of several cases.',
         hint='each case has its INPUT\'s name')
    case('golden-statistics', 'golden record golden x.csv --statistics batch',
         '--statistics: expected --frozen beside it, found none',
         'Without `--frozen` the statistics are the batch\'s own.')
    case('golden-frozen', 'golden record golden x.csv --frozen --running given.npz --momentum 0.5',
         '--momentum: expected --running beside it, and no --frozen, found both',
         'Frozen statistics do not move on.')
    case('golden-batches', 'golden record golden x.csv --dy dy.csv --batch-size 2',
         '--batch-size: expected no --dy beside it, found it',
         'Mini-batches are recorded without gradients.',
         hint='gradients and frozen statistics are those of a whole batch')
    case('golden-narrow', 'golden record golden x.npy --reference --narrow',
         '--reference: expected no --narrow beside it, found it',
         'A reference keeps every bit of its file.')
    case('audit-nothing', 'audit x.csv',
         'audit: expected one or more of --y, --mean, --variance, --inverse-std, --running-after, --dx, --dgamma, --dbeta, '
         'found none',
         'There is nothing to judge.', cure='Name what the other program made.')
    case('audit-gradient', 'audit x.csv --dgamma x.csv',
         '--dgamma: expected --dy beside it, found none',
         'Gradients follow from the output gradient.')
    case('audit-frozen', 'audit x.csv --y x.csv --frozen',
         '--frozen: expected --running beside it, found none',
         'It says that statistics of a file were to be used.')
    case('audit-frozen-new', 'audit x.csv --y x.csv --frozen --running new',
         '--running: expected a file of statistics (--frozen), found new',
         'New running statistics normalise nothing.')
    case('audit-after', 'audit x.csv --running-after running.csv',
         '--running-after: expected --running beside it (the statistics before the batch), found none',
         'They are averaged with the ones before.', hint='--running new if they began with mean 0 and variance 1')
    case('audit-after-frozen', 'audit x.csv --frozen --running running.csv --running-after running.csv',
         '--running-after: expected no --frozen beside it, found it',
         'What is frozen does not move on.', hint='frozen statistics are not updated')
    case('momentum-alone', 'forward x.csv --momentum 0.5',
         '--momentum: expected --running beside it, found none',
         'Momentum weighs running statistics, and none were asked for.')
    case('no-statistics', 'infer x.csv',
         '--running: expected a file of statistics, found none',
         'Inference normalises with statistics of a file.',
         hint='forward --save FILE.npz writes one')
    case('formula-running', 'forward x.csv --formula one-pass --running new --save old.npz',
         '--formula one-pass: expected no --running beside it, found new (averages would carry its errors on)',
         'A plain formula is there to show how it fails; running statistics would outlive the show.')
    case('formula-engine', 'forward x.csv --formula welford --engine java -o old.csv',
         '--engine: expected none with --formula welford, which is one plain loop, found java',
         'No engine computes a plain formula.', 'Leave `--engine` out.')
    case('running-not-frozen', 'backward x.csv --dy dy.csv --running given.npz',
         '--running: expected --frozen beside it, found none',
         'Statistics of a file are constants, which --frozen says.',
         hint="without --frozen the statistics are the batch's own")
    case('layout-and-axis', 'forward x.csv --layout NC --channel-axis 1',
         '--layout and --channel-axis: expected one of the two, found both',
         'The axis of the channels was said twice.')
    case('each-and-save', 'stats x.csv dy.csv --each --save old.npz',
         '--each and --save: expected one of the two, found both',
         'One state cannot hold the statistics of each file.',
         hint='a state holds the sums of all INPUTs together')
    case('together-and-apart', 'backward x.csv --dy dy.csv -o old.npz --dx old.csv',
         '-o: expected either -o or --dx, --dgamma and --dbeta, found both',
         'The gradients are to be written together and one by one.')

    case('weight-norm-eps', 'reparam --weights units.csv --weight-norm --eps 1e-3',
         '--weight-norm and --eps: expected one of the two, found both',
         'Weight normalization has no eps.',
         hint='weight normalization divides by the norm alone')
    case('weight-norm-level', 'reparam --weights units.csv --weight-norm --level fast',
         '--weight-norm and --level: expected one of the two, found both',
         'The norms of weights are exact at no cost.')
    case('two-covariances', 'reparam --weights units.csv --input x.csv --covariance s.csv',
         '--covariance and --input: expected one of the two, found both',
         'The covariance was named, and data to take it from.')
    case('mean-alone', 'reparam --weights units.csv --input x.csv --mean 0',
         '--mean: expected --covariance S beside it, found none',
         'The mean of data is computed; one may be named beside a covariance alone.')
    case('dy-without-input', 'reparam --weights units.csv --covariance s.csv --mean 0 --dy dy.csv',
         '--dy: expected --input INPUT beside it, found none',
         'Gradients need the data that the gradient of the output belongs to, row by row.')
    case('weight-norm-input', 'reparam --weights units.csv --weight-norm --input x.csv',
         '--input: expected --dy DY (weight normalization has no use for data) beside it, found none',
         'Weight normalization depends on the weights alone; only its gradients need data.')
    case('columns-without-input', 'reparam --weights units.csv --covariance s.csv --mean 0 --columns a',
         '--columns: expected --input INPUT beside it, found none',
         'The option says how INPUT is read, and there is none.')
    case('layer-together-and-apart', 'reparam --weights units.csv --input x.csv -o old.npz --reparam-bias old.csv',
         '-o: expected either -o or --reparam-weights, --reparam-bias, --variance, --dweights, --dgamma and --dbeta, '
         'found both',
         'The arrays are to be written together and one by one.')

    topic(2, 'Shapes of cases', '`cases` makes data of the shape asked for, and there is none with exact answers.')
    case('cases-shape-words', 'cases --shape 8x64 -o exact',
         '--shape: expected sizes such as 8,64,7,7, found "8x64"',
         'Sizes are whole numbers with commas between them.')
    case('cases-shape-layout', 'cases --shape 8,64 --layout NCHW -o exact',
         '--shape: expected 4 axes (layout NCHW), found 8×64',
         'The layout has another number of axes.')
    case('cases-channel-axis', 'cases --shape 8,64 --channel-axis 2 -o exact',
         '--channel-axis: expected -2 to 1 (shape 8×64), found 2',
         'There is no such axis; they count from 0.')
    case('cases-no-channels', 'cases --shape 8,0 -o exact',
         '--shape: expected at least 1 channel, found shape 8×0',
         'Nothing can be tested without channels.')
    case('cases-no-values', 'cases --shape 0,64 -o exact',
         '--shape: expected at least 1 value a channel, found 0',
         'The statistics of no values are NaN.')
    case('cases-one-value', 'cases --shape 1,64 -o exact',
         '--shape: expected at least 2 values a channel (unbiased running variance), found 1',
         'One value has no unbiased variance.',
         hint='--biased takes the biased variance')
    case('cases-too-many-values', 'cases --shape 1000,3 --dtype f16 -o exact',
         '--shape: expected at most 591 values a channel (sums in f16), found 1000',
         'A significand has too few bits for sums of so many values.',
         hint='--arithmetic f32 has room for more')
    case('cases-arithmetic', 'cases --shape 8,3 --arithmetic f16 -o exact',
         '--arithmetic: expected f32 (the type of x) or a larger type, found f16',
         'Values of x would be rounded before they are summed.')
    case('cases-seed', 'cases --shape 8,3 --seed 0.5 -o exact',
         '--seed: expected a whole number, found "0.5"',
         'A seed is a whole number.')
    case('cases-to-standard-output', 'cases --shape 8,3 -o -',
         '-o: expected a directory, found standard output',
         'Several files are written.')

    topic(2, 'Names of outputs', 'The name of an output does not say, or says wrongly, how to write it.')
    case('output-extension', 'forward x.csv -o y.foo',
         '-o: expected a name ending in .csv, .tsv, .npy or .npz, found y.foo',
         'The end of the name tells the format, and this one tells none.',
         hint='--to csv|tsv|npy|npz names the format')
    case('output-and-to', 'forward x.csv -o old.npy --to csv',
         '-o and --to: expected the same format, found npy and csv',
         'The end of the name and --to tell different formats.')
    case('output-empty', "forward x.csv -o ''",
         '-o: expected a file, found an empty name',
         'The output was given as an empty text.')
    case('save-extension', 'forward x.csv --save s.txt',
         '--save: expected a name ending in .npz, found s.txt',
         'Statistics are several arrays, which only NPZ holds.')
    case('same-output', 'forward x.csv -o old.npz --save old.npz',
         '-o and --save: expected two files, found old.npz for both',
         'Two outputs have one name.')
    case('gradients-as-csv', 'backward x.csv --dy dy.csv -o old.csv',
         '-o: expected NPZ for several arrays, found csv',
         'Three gradients have no common table.',
         hint='--dx FILE --dgamma FILE --dbeta FILE write one array each')
    case('folded-as-npy', 'fold --weights w.npy --running given.npz -o old.npy',
         '-o: expected NPZ for several arrays, found npy',
         'Weights and bias are two arrays, and this format holds one.',
         hint='--folded-weights FILE --folded-bias FILE write one array each')
    case('fold-together-and-apart', 'fold --weights w.npy --running given.npz -o old.npz --folded-bias old.npy',
         '-o: expected either -o or --folded-weights and --folded-bias, found both',
         '`-o` takes weights and bias together, the others each apart.')
    case('no-groups', 'fold --weights w.npy --running given.npz --groups 0',
         '--groups: expected a number ≥ 1, found 0',
         'A layer has at least one group of channels.')
    case('linear-groups', 'fold --weights w.npy --running given.npz --layer linear --groups 2',
         '--groups: expected --layer conv or conv-transpose beside it, found linear',
         'Only convolutions have groups.')
    case('layer', 'fold --weights w.npy --running given.npz --layer dense',
         '--layer: expected one of linear, conv, conv-transpose, found "dense"',
         'There is no layer of that name.')
    case('fold-json', 'fold --weights w.npy --running given.npz --json',
         '--json: expected --check beside it, found none',
         'Only the report of a check can be JSON.')
    case('fold-check-output', 'fold --weights w.npy --running given.npz --check x.csv -o -',
         '-o: expected a file, found standard output, where --check reports',
         'The report and the arrays would be mixed.')
    case('table-as-npy', 'stats x.csv -o old.npy',
         '-o: expected CSV, TSV or NPZ for a table, found npy',
         'The columns of the table have different types.')


def file_cases():
    topic(3, 'Files', 'The file cannot be opened, or is not of the format its name says.')
    case('no-file', 'forward nope.csv -o old.csv',
         'nope.csv: expected a readable file, found no such file or directory',
         'There is no file of that name.', 'Names are relative to the directory the command runs in.')
    case('directory', 'forward folder',
         'folder: expected a file, found a directory',
         'A directory was named.', 'A shell expands `folder/*`.', setup='directory folder')
    case('no-permission', 'forward secret.csv',
         'secret.csv: expected a readable file, found no permission',
         'The file may not be read by who runs the command.', setup='no-permission secret.csv')
    case('link-circle', 'forward loop.csv',
         'loop.csv: expected a readable file, found a circle of symbolic links',
         'The name is a symbolic link that leads to itself.', setup='loop loop.csv')
    case('member-of-csv', 'forward x.csv:a',
         'x.csv: expected an NPZ file (to take member a from), found CSV',
         'Only an NPZ has members.', 'Columns are chosen by `--columns`.')
    file('text.npy', 'a,b\n1,2\n3,4\n')
    case('text-as-npy', 'forward text.npy',
         'text.npy: expected an NPY file (bytes 93 4E 55 4D 50 59), found 61 2C 62 0A 31 2C',
         'The name says NPY, the content is text.',
         hint='for text, name it .csv or pass --format csv')
    file('npy.npz', GOOD)
    case('npy-as-npz', 'forward npy.npz',
         'npy.npz: expected an NPZ file (bytes 50 4B 03 04), found 93 4E 55 4D',
         'The name says NPZ, the content is an NPY file.',
         hint='this is an NPY file; name it .npy or pass --format npy')
    file('npz.npy', npz(x=GOOD))
    case('npz-as-npy', 'forward npz.npy',
         'npz.npy: expected an NPY file (bytes 93 4E 55 4D 50 59), found 50 4B 03 04 14 00',
         'The name says NPY, the content is a ZIP.',
         hint='this is a ZIP; name it .npz or pass --format npz')
    file('empty.npy', '')
    case('empty-npy', 'forward empty.npy',
         'empty.npy: expected an NPY file (bytes 93 4E 55 4D 50 59), found an empty file',
         'The file has no byte at all, as when a disk was full.',
         hint='is the file complete?')
    case('forced-npy', 'forward x.csv --format npy',
         'x.csv: expected an NPY file (bytes 93 4E 55 4D 50 59), found 61 2C 62 0A 31 2C',
         '--format says NPY, the content is text.', 'Leave `--format` out: content decides.')
    case('forced-npz', 'forward x.csv --format npz',
         'x.csv: expected the directory of a ZIP file at its end, found none',
         '--format says NPZ, and no ZIP ends so.', 'Leave `--format` out: content decides.',
         hint='is the file complete?')
    file('good.npy', GOOD)
    case('text-options', 'forward good.npy --columns 1 -o old.npy',
         'good.npy: expected CSV or TSV (for --columns, --exclude, --delimiter, --comment, --header or '
         '--missing), found NPY',
         'An option for text was given, and the file is none; it would change nothing.', 'Leave it out.')


def csv_cases():
    topic(3, 'CSV and TSV',
          'Places are FILE:LINE:FIELD; lines and fields count from 1, comments and blank lines included.')
    file('mark.csv', 'a,b\n1,2\n3,n/a\n')
    case('mark', 'forward mark.csv -o old.csv',
         'mark.csv:3:2: expected a number, found "n/a"',
         'A cell says in words that there is no value.',
         'Such words are not numbers; empty the cell, then `--missing` says what it means.',
         hint='--missing nan reads empty cells as NaN')
    file('label.csv', 'id,height,species\n1,5.1,setosa\n2,4.9,virginica\n')
    case('text-cell', 'forward label.csv -o old.csv',
         'label.csv:2:3: expected a number, found "setosa"',
         'A column of text is among the numbers.',
         hint='--columns and --exclude choose the columns')
    file('semicolons.csv', 'a;b\n1;2\n3;4\n')
    case('delimiter', 'forward semicolons.csv',
         'semicolons.csv:2:1: expected a number, found "1;2"',
         'The file is delimited by semicolons.',
         hint='--delimiter auto finds a semicolon or a tab')
    file('empty-cell.csv', 'a,b\n1,2\n,4\n')
    case('empty-cell', 'forward empty-cell.csv -o old.csv',
         'empty-cell.csv:3:1: expected a number, found an empty cell',
         'A cell is empty, and what that means was not said.',
         hint='--missing nan reads empty cells as NaN, --missing skip drops their rows')
    file('all-empty.csv', 'a,b\n,2\n3,\n')
    case('all-skipped', 'forward all-empty.csv --missing skip -o old.csv',
         'all-empty.csv: expected at least 1 row without empty cells, found none of 2',
         'Every row has an empty cell, so --missing skip leaves none.')
    file('too-large.csv', 'a,b\n1,2\n3,1e400\n')
    case('too-large', 'forward too-large.csv -o old.csv',
         'too-large.csv:3:2: expected a number within ±1.7976931348623157e+308 (f64), found "1e400"',
         'The number is beyond the largest of the type; it would become infinite.',
         'Write `inf` where an infinity is meant.')
    case('too-large-f16', 'forward large.csv --dtype f16',
         'large.csv:3:1: expected a number within ±65504.0 (f16), found "70000"',
         'The number fits into f64, but not into the type that --dtype asks for.', 'Take a larger type.')
    file('large.csv', 'a,b\n1,2\n70000,3\n')
    file('ragged.csv', 'a,b\n1,2\n3,4,5\n')
    case('ragged', 'forward ragged.csv -o old.csv',
         'ragged.csv:3: expected 2 fields as in line 1, found 3',
         'A record has more or fewer fields than the first.',
         'Often a comma within a cell: such cells stand in quotes.')
    file('open-quote.csv', 'a,b\n1,"2\n3,4\n')
    case('open-quote', 'forward open-quote.csv -o old.csv',
         'open-quote.csv:2:2: expected a closing quote, found the end of the file',
         'A quote is opened and never closed, so the rest of the file is one cell.',
         'Within quotes, a quote is written twice.')
    file('after-quote.csv', 'a,b\n"1"0,2\n')
    case('after-quote', 'forward after-quote.csv -o old.csv',
         'after-quote.csv:2:1: expected a delimiter after the closing quote, found "0"',
         'Text follows a closing quote.', 'Within quotes, a quote is written twice.')
    file('latin1.csv', b'gr\xf6\xdfe,b\n1,2\n')
    case('latin1', 'forward latin1.csv -o old.csv',
         'latin1.csv:1: expected UTF-8 text, found byte F6',
         'The text is in another encoding than UTF-8, here Latin-1.',
         '`iconv -f latin1 -t utf-8` converts; for UTF-16 it is `-f utf-16`.')
    case('binary-as-text', 'forward good.npy --format csv',
         'good.npy:1: expected UTF-8 text, found byte 93',
         'Binary data are to be read as text.', 'Leave `--format` out: content decides.')
    file('carriage-returns.csv', '1,2\r3,4\r')
    case('carriage-returns', 'forward carriage-returns.csv -o old.csv',
         'carriage-returns.csv:1:1: expected names or numbers throughout the first record, found the number 1 '
         'among names',
         'A carriage return alone ends no line, as once on the Macintosh.',
         hint="a carriage return alone ends no line; tr '\\r' '\\n' makes line feeds of them")
    file('mixed.csv', 'a,5\n1,2\n')
    case('mixed-header', 'forward mixed.csv -o old.csv',
         'mixed.csv:1:2: expected names or numbers throughout the first record, found the number 5 among names',
         'The first record is half names, half numbers: it could be a header or data.',
         hint='--header yes|no says whether the first record is a header')
    file('only-header.csv', 'a,b\n')
    case('only-header', 'forward only-header.csv -o old.csv',
         'only-header.csv: expected at least 1 row of data, found only a header',
         'The file has names and no data.')
    file('empty.csv', '')
    file('only-returns.csv', 'height\r1\r2\r')
    case('one-line', 'forward only-returns.csv -o old.csv',
         'only-returns.csv: expected at least 1 row of data, found only a header',
         'With lone carriage returns the whole file is one line, here taken for a header.',
         hint="a carriage return alone ends no line; tr '\\r' '\\n' makes line feeds of them")
    case('empty-csv', 'forward empty.csv -o old.csv',
         'empty.csv: expected at least 1 row of data, found none',
         'The file is empty, or all of it comments and blank lines.')
    case('no-column', 'forward x.csv --columns c',
         'x.csv: expected a column "c" (--columns), found 2 columns (a, b)',
         'No column has that name, which is compared letter by letter.')
    file('plain.csv', '1,2\n3,4\n')
    case('no-names', 'forward plain.csv --columns a --header no',
         'plain.csv: expected a column "a" (--columns), found 2 columns without names',
         'A column was named, and the file has no header.', 'Name it by its number; the first is 1.')
    case('downwards', 'forward x.csv --columns 2-1',
         'x.csv: expected a column "2-1" (--columns), found 2 columns (a, b)',
         'The range goes downwards.', hint='a range goes upwards, as 1-2')
    case('no-number', 'forward x.csv --exclude 3-4',
         'x.csv: expected a column "3-4" (--exclude), found 2 columns (a, b)',
         'The range reaches beyond the last column.')
    file('twice.csv', 'a,b,a\n1,2,3\n')
    case('column-twice', 'forward twice.csv --columns a -o old.csv',
         'twice.csv: expected one column "a" (--columns), found it as column 1 and 3',
         'Two columns have the name.',
         hint='columns may be given by number, as 1')
    case('no-column-left', 'forward x.csv --exclude a,b',
         'x.csv: expected at least 1 column, found all of them excluded',
         'Nothing is left to compute with.')


def npy_cases():
    topic(3, 'NPY',
          'The file is damaged, or not what `numpy.save` writes. If it is damaged, make or copy it again. The header '
          'is checked before any memory is taken for the values; `at character N` counts within its text from 1.')
    file('version-9.npy', GOOD[:6] + b'\x09\x00' + GOOD[8:])
    case('npy-version', 'forward version-9.npy',
         'version-9.npy: expected NPY version 1.0, 2.0 or 3.0, found 9.0',
         'The version of the format is none that is known.')
    file('cut-in-magic.npy', GOOD[:8])
    case('npy-cut-in-prefix', 'forward cut-in-magic.npy',
         'cut-in-magic.npy: expected a header of 10 bytes, found 8 in the file',
         'The file ends before it tells the length of its header.')
    file('cut-in-header.npy', GOOD[:50])
    case('npy-cut-in-header', 'forward cut-in-header.npy',
         'cut-in-header.npy: expected a header of 128 bytes, found 50 in the file',
         'The file ends within its header.')
    file('header-4gb.npy', header(dictionary('<f8', (3, 2)), (2, 0), 0xFFFFFFF0))
    case('npy-header-claim', 'forward header-4gb.npy',
         'header-4gb.npy: expected a header of 4294967292 bytes, found 128 in the file',
         'The header claims to be 4 GB long.')
    file('cut.npy', GOOD[:-8])
    case('npy-cut', 'forward cut.npy -o old.npy',
         'cut.npy: 48 bytes announced by the header, 40 bytes in the file',
         'The file ends before its values do.')
    file('longer.npy', GOOD + b'\0' * 3)
    case('npy-trailing', 'forward longer.npy -o old.npy',
         'longer.npy: 48 bytes announced by the header, 51 bytes in the file',
         'Bytes follow the values that the header does not know of.')
    file('claims-8tb.npy', header(dictionary('<f8', (1000000, 1000000))) + b'\0' * 48)
    case('npy-claim', 'forward claims-8tb.npy',
         'claims-8tb.npy: 8.0 TB announced by the header, 48 bytes in the file',
         'The header announces terabytes that are not there; no memory is taken for them.')
    file('claims-beyond.npy', header(dictionary('<f8', (2 ** 62, 4))) + b'\0' * 48)
    case('npy-claim-overflow', 'forward claims-beyond.npy',
         'claims-beyond.npy: more than 2^63 bytes announced by the header (shape 4611686018427387904×4), 176 '
         'bytes in the file',
         'The sizes multiply to more than any file holds.')
    file('size-2-63.npy', header(dictionary('<f8', (2 ** 63, 0))))
    case('npy-size-overflow', 'forward size-2-63.npy',
         'size-2-63.npy: expected a size below 2^63 at character 52 of the header, found "9223372036854775808, 0), }"',
         'One size alone does not fit into 63 bits.')
    file('axes-65.npy', header(dictionary('<f8', (1,) * 65)) + b'\0' * 8)
    case('npy-axes', 'forward axes-65.npy',
         'axes-65.npy: expected at most 64 axes at character 244 of the header, found "1), }"',
         'The array has more axes than numpy allows.')
    file('negative-size.npy', header(dictionary('<f8', '(-3, 2)')) + b'\0' * 48)
    case('npy-negative-size', 'forward negative-size.npy',
         'negative-size.npy: expected a size at character 52 of the header, found "-3, 2), }"',
         'A size is below 0.')
    file('size-list.npy', header(dictionary('<f8', '[3, 2]')) + b'\0' * 48)
    case('npy-shape-list', 'forward size-list.npy',
         'size-list.npy: expected \'(\' at character 51 of the header, found "[3, 2], }"',
         'The sizes are a list, not a tuple.')
    file('size-alone.npy', header(dictionary('<f8', '(3)')) + b'\0' * 24)
    case('npy-shape-number', 'forward size-alone.npy',
         'size-alone.npy: expected a tuple of sizes as (3,) at character 51 of the header, found "(3), }"',
         'One size in parentheses is a number in Python; a tuple has a comma.')
    file('size-no-comma.npy', header(dictionary('<f8', '(3 2)')) + b'\0' * 48)
    case('npy-shape-no-comma', 'forward size-no-comma.npy',
         'size-no-comma.npy: expected \',\' or \')\' at character 54 of the header, found "2), }"',
         'No comma stands between the sizes.')
    file('order-1.npy', header(dictionary('<f8', (3, 2), '1')) + b'\0' * 48)
    case('npy-fortran-order', 'forward order-1.npy',
         'order-1.npy: expected True or False at character 35 of the header, found "1, \'shape\': (3, 2), }"',
         'The order is neither True nor False.')
    file('no-brace.npy', header("('descr', '<f8')"))
    case('npy-no-dictionary', 'forward no-brace.npy',
         'no-brace.npy: expected \'{\' at character 1 of the header, found "(\'descr\', \'<f8\')"',
         'The header is no Python dictionary.')
    file('no-quotes.npy', header("{descr: '<f8', }"))
    case('npy-key-unquoted', 'forward no-quotes.npy',
         'no-quotes.npy: expected a key in quotes at character 2 of the header, found "descr: \'<f8\', }"',
         'A key stands without quotes.')
    file('no-colon.npy', header("{'descr' '<f8', }"))
    case('npy-no-colon', 'forward no-colon.npy',
         'no-colon.npy: expected \':\' at character 10 of the header, found "\'<f8\', }"',
         'No colon follows a key.')
    file('no-comma.npy', header("{'descr': '<f8' 'fortran_order': False, 'shape': (3, 2), }"))
    case('npy-no-comma', 'forward no-comma.npy',
         "no-comma.npy: expected '}' at character 17 of the header, "
         "found \"'fortran_order': False, 'shape': (3, 2),…\"",
         'No comma stands between two entries.')
    file('open.npy', header("{'descr': '<f8', 'fortran_order': False"))
    case('npy-open', 'forward open.npy',
         "open.npy: expected '}' at character 55 of the header, found its end",
         'The dictionary is not closed.')
    file('key-unknown.npy', header("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), 'units': 'mm', }"))
    case('npy-key-unknown', 'forward key-unknown.npy',
         'key-unknown.npy: expected the key descr, fortran_order or shape at character 59 of the header, found '
         '"\'units\': \'mm\', }"',
         'The header has a key that the format does not.')
    file('key-twice.npy', header("{'descr': '<f8', 'shape': (3, 2), 'descr': '<f4', 'fortran_order': False, }"))
    case('npy-key-twice', 'forward key-twice.npy',
         'key-twice.npy: expected the key descr once at character 35 of the header, found "\'descr\': \'<f4\', '
         '\'fortran_order\': False, …"',
         'A key stands twice, and which counts is not guessed.')
    file('no-shape.npy', header("{'descr': '<f8', 'fortran_order': False, }"))
    case('npy-key-missing', 'forward no-shape.npy',
         'no-shape.npy: expected descr, fortran_order and shape in the header, found no shape',
         'One of the three keys is not there.')
    file('after-header.npy', header(dictionary('<f8', (3, 2)) + ' import os') + b'\0' * 48)
    case('npy-after-dictionary', 'forward after-header.npy',
         'after-header.npy: expected the end of the header at character 61 of the header, found "import os"',
         'Text follows the dictionary; it is not run.')
    file('dtype-unquoted.npy', header("{'descr': float, 'fortran_order': False, 'shape': (3, 2), }"))
    case('npy-dtype-unquoted', 'forward dtype-unquoted.npy',
         'dtype-unquoted.npy: expected a dtype in quotes at character 11 of the header, found "float, '
         '\'fortran_order\': False, \'shape\': …"',
         'The type is no text.')
    file('structured.npy', header("{'descr': [('x', '<f8'), ('n', '<i4')], 'fortran_order': False, 'shape': (3,), }")
         + b'\0' * 36)
    case('npy-structured', 'forward structured.npy',
         'structured.npy: expected one real number an element, found a structured dtype',
         'Each element is a record of several fields.', '`numpy.save` one field, as `array["x"]`.')
    file('objects.npy', header(dictionary('|O', (3,))) + b'\x80\x04]\x94(K\x01K\x02K\x03e.')
    case('npy-objects', 'forward objects.npy',
         "objects.npy: expected numbers, found pickled objects (dtype '|O')",
         'The values are Python objects, which only running a pickle could read.',
         hint='pickles can run code and are never read; numpy.save the numbers alone')
    file('complex.npy', header(dictionary('<c16', (3,))) + b'\0' * 48)
    case('npy-dtype', 'forward complex.npy',
         "complex.npy: expected real numbers (f2, f4, f8, i1 to i8, u1 to u8, b1), found dtype '<c16'",
         'The elements are no real numbers: complex, text, dates, or floats of 128 bits.',
         hint="numpy.save(file, array.astype('<f8')) writes a file that is read")


def npz_cases():
    topic(3, 'NPZ',
          'The file is no whole ZIP, or a member is not what `numpy.savez` writes. Damaged files have to be copied or '
          'made again; `unzip -t` and `zip -FF` know more of them.')
    two = npz(p=doubles(1, 2), q=doubles(3, 4))
    file('many.npz', two)
    case('npz-which', 'forward many.npz',
         'many.npz: expected a member x, found p, q',
         'The file has several members, and none has the name that is looked for.',
         hint='name one: many.npz:MEMBER')
    case('compare-which', 'compare many.npz x.csv',
         'many.npz: expected one array (to compare with x.csv), found p, q',
         'One file holds several arrays and the other one: which are meant is not guessed.',
         hint='name one: many.npz:MEMBER')
    case('npz-no-member', 'forward many.npz:r',
         'many.npz: expected a member "r", found p, q',
         'The file has no such member.')
    file('no-members.npz', zipped())
    case('npz-empty', 'convert no-members.npz -o old.npz',
         'no-members.npz: expected at least 1 array, found a ZIP file without any',
         'The file is a ZIP without members.',
         hint="arrays in an NPZ have names ending in .npy; PyTorch's files are exported with numpy.savez")
    file('readme.npz', zipped(member('README.txt', b'nothing here')))
    case('npz-no-arrays', 'forward readme.npz',
         'readme.npz: expected a member x, found no arrays',
         'None of the members is an NPY file; their names would end in .npy.',
         hint='arrays in an NPZ have names ending in .npy')
    file('member-text.npz', zipped(member('x.npy', b'1,2\n3,4\n')))
    case('npz-member-text', 'forward member-text.npz',
         'member-text.npz:x: expected an NPY file (bytes 93 4E 55 4D 50 59), found 31 2C 32 0A 33 2C',
         'A member has the name of an NPY file and holds something else.')
    good = npz(x=GOOD)
    file('cut.npz', good[:-30])
    case('npz-cut', 'forward cut.npz -o old.npz',
         'cut.npz: expected the directory of a ZIP file at its end, found none',
         'The end of the ZIP is missing, where its directory is.',
         hint='is the file complete?')
    file('moved.npz', zipped(member('x.npy', GOOD), start=100000))
    case('npz-directory-beyond', 'forward moved.npz',
         'moved.npz: expected its directory before byte 262, found a damaged ZIP file',
         'The directory is said to begin behind the end of the file.',
         hint='is the file complete?')
    file('directory-start.npz', zipped(member('x.npy', GOOD), start=4))
    case('npz-directory-start', 'forward directory-start.npz',
         'directory-start.npz: expected a ZIP file from its first byte on, found 207 bytes in front of it',
         'The directory lies further behind than it says, as after bytes were put in front of the file.',
         hint='tail -c +208 cuts them off')
    file('directory-size.npz', zipped(member('x.npy', GOOD), size=48))
    case('npz-directory-size', 'forward directory-size.npz',
         'directory-size.npz: expected its directory at byte 214, found a damaged ZIP file',
         'The directory is said to be shorter than it is.',
         hint='is the file complete?')
    file('no-entry.npz', zipped(member('x.npy', GOOD)).replace(b'PK\1\2', b'PK\7\7'))
    case('npz-no-entry', 'forward no-entry.npz',
         'no-entry.npz: expected a member at byte 211, found a damaged ZIP file',
         'Where the directory is said to begin, there is none.',
         hint='is the file complete?')
    whole = zipped(member('x.npy', GOOD))
    name_size = whole.rindex(b'PK\1\2') + 28
    file('entry-cut.npz', whole[:name_size] + b'\x50' + whole[name_size + 1:])
    case('npz-entry-cut', 'forward entry-cut.npz',
         'entry-cut.npz: expected a whole member at byte 211, found a damaged ZIP file',
         'The directory ends within an entry.',
         hint='is the file complete?')
    file('same-bytes.npz', zipped(member('x.npy', GOOD), member('y.npy', GOOD, local='x.npy', at=0)))
    case('npz-same-bytes', 'forward same-bytes.npz',
         'same-bytes.npz: expected members apart, found "x.npy" and "y.npy" in the same bytes',
         'Two members lie in the same bytes, so that a small file could hold more than its size.')
    sizes = whole.index(b'PK\3\4') + 22
    file('local-size.npz', whole[:sizes] + b'\x10' + whole[sizes + 1:])
    case('npz-local-size', 'forward local-size.npz',
         'local-size.npz:x: expected size 176 as in the ZIP directory, found 16 in front of the member',
         'What stands in front of a member contradicts the directory.',
         hint='the file is damaged; is it complete?')
    file('count.npz', zipped(member('x.npy', GOOD), count=3))
    case('npz-count', 'forward count.npz',
         'count.npz: expected 3 members, found 1',
         'The directory has fewer entries than the end of the file says.')
    file('same-name.npz', zipped(member('x.npy', GOOD), member('x.npy', npy((3, 2), [0] * 6))))
    case('npz-same-name', 'forward same-name.npz',
         'same-name.npz: expected each member once, found two "x.npy"',
         'Two members have one name; programs differ in which they take.')
    locator = b'PK\6\7' + struct.pack('<IQI', 0, 0, 1)
    file('end64.npz', zipped(member('x.npy', GOOD), count=0xFFFF, tail=locator))
    case('npz-end64', 'forward end64.npz',
         'end64.npz: expected the end of its directory at byte 0, found a damaged ZIP file',
         'The end for files beyond 4 GB is not where the file says.',
         hint='is the file complete?')
    beyond = b'PK\6\7' + struct.pack('<IQI', 0, 10 ** 15, 1)
    file('end64-beyond.npz', zipped(member('x.npy', GOOD), count=0xFFFF, tail=beyond))
    case('npz-end64-beyond', 'forward end64-beyond.npz',
         'end64-beyond.npz: expected 56 bytes at byte 1000000000000000, found a damaged ZIP file',
         'The end for files beyond 4 GB is said to be far behind the end of the file.',
         hint='is the file complete?')
    file('sizes64.npz', zipped(member('x.npy', GOOD, size=0xFFFFFFFF, extra=struct.pack('<HHI', 1, 4, 7))))
    case('npz-sizes64', 'forward sizes64.npz',
         'sizes64.npz: expected 64-bit sizes of member "x.npy", found a damaged ZIP file',
         'The sizes for members beyond 4 GB are not there.',
         hint='is the file complete?')
    file('member-behind.npz', zipped(member('x.npy', GOOD, at=5000)))
    case('npz-member-behind', 'forward member-behind.npz',
         'member-behind.npz: expected member "x.npy" of 176 bytes at byte 5000, found a damaged ZIP file',
         'A member is said to begin behind the directory.',
         hint='is the file complete?')
    file('member-elsewhere.npz', zipped(member('x.npy', GOOD, at=7)))
    case('npz-member-elsewhere', 'forward member-elsewhere.npz',
         'member-elsewhere.npz: expected member "x.npy" of 176 bytes at byte 7, found a damaged ZIP file',
         'Where a member is said to begin, there is none.',
         hint='is the file complete?')
    file('other-name.npz', zipped(member('x.npy', GOOD, local='y.npy')))
    case('npz-other-name', 'forward other-name.npz',
         'other-name.npz: expected member "x.npy" at byte 0, found a damaged ZIP file',
         'A member and the directory have different names for it.',
         hint='is the file complete?')
    file('encrypted.npz', zipped(member('x.npy', GOOD, flags=1)))
    case('npz-encrypted', 'forward encrypted.npz',
         'encrypted.npz:x: expected a plain member, found an encrypted one',
         'The member is encrypted.', '`unzip` asks for the password.')
    file('bzip2.npz', zipped(member('x.npy', GOOD, method=12)))
    case('npz-method', 'forward bzip2.npz',
         'bzip2.npz:x: expected a member stored (0) or deflated (8), found ZIP method 12',
         'The member is compressed in a way numpy does not use, here bzip2.')
    file('checksum.npz', zipped(member('x.npy', GOOD, crc=0x12345678)))
    case('npz-checksum', 'forward checksum.npz -o old.npz',
         'checksum.npz:x: expected checksum 12345678, found 8d4f713e',
         'The bytes of a member are not those it was written with.',
         hint='the file is damaged; is it complete?')
    file('stored-size.npz', zipped(member('x.npy', GOOD, size=len(GOOD) + 8)))
    case('npz-stored-size', 'forward stored-size.npz',
         'stored-size.npz:x: 184 bytes announced by the ZIP directory, 176 bytes in the member',
         'A stored member has two different sizes.')
    small = deflated(GOOD)
    file('deflate-damaged.npz', zipped(member('x.npy', GOOD, 8, stored=b'\xff' + small[1:])))
    case('npz-deflate', 'forward deflate-damaged.npz',
         'deflate-damaged.npz:x: expected deflated bytes, found damage',
         'The compressed bytes make no sense.')
    file('deflate-short.npz', zipped(member('x.npy', GOOD, 8, stored=small[:-20])))
    case('npz-deflate-short', 'forward deflate-short.npz',
         'deflate-short.npz:x: expected deflated bytes up to their end, found none after 158 bytes',
         'The compressed bytes end before the member does.')
    file('deflate-more.npz', zipped(member('x.npy', GOOD, 8, size=len(GOOD) - 8)))
    case('npz-deflate-more', 'forward deflate-more.npz',
         'deflate-more.npz:x: 168 bytes announced by the ZIP directory, 176 bytes in the member',
         'A member inflates to more than was announced, as a ZIP bomb does; what is more is not kept.')
    file('deflate-rest.npz', zipped(member('x.npy', GOOD, 8, stored=small + b'rest')))
    case('npz-deflate-rest', 'forward deflate-rest.npz',
         'deflate-rest.npz:x: 182 bytes announced by the ZIP directory, 178 bytes in the member',
         'Bytes follow the end of the compressed ones.')
    file('bomb.npz', zipped(member('x.npy', GOOD, 8, size=0xF0000000)))
    case('npz-bomb', 'forward bomb.npz',
         'bomb.npz:x: 4.0 GB announced by the ZIP directory, 178 bytes in the member',
         'A few bytes are said to inflate to gigabytes, more than deflate can do; it is not tried.')
    text = dictionary('<f8', (3, 2))
    file('header-long.npz', zipped(member('x.npy', header(text + ' ' * 70000, (2, 0)) + b'\0' * 48, 8)))
    case('npz-header-long', 'forward header-long.npz',
         'header-long.npz:x: expected a header of at most 65535 bytes, found 70068',
         'The header is longer than any that numpy writes.')
    huge = header(dictionary('<f8', (10 ** 9, 10 ** 3)))
    file('member-claims.npz', zipped(member('x.npy', huge + b'\0' * 48, 8)))
    case('npz-member-claim', 'forward member-claims.npz',
         'member-claims.npz:x: 8.0 TB announced by the header, 48 bytes in the file',
         'The NPY header in a member announces more than the member holds.')


def shape_cases():
    topic(3, 'Shapes and axes', 'The array has not the axes that were asked for. Axes and indices count from 0.')
    case('layout-rank', 'forward x.csv --layout NCHW',
         'x.csv: shape: expected 4 axes (layout NCHW), found 3×2',
         'The layout has another number of axes than the array.')
    case('channel-axis', 'forward x.csv --channel-axis 2',
         'x.csv: channel axis: expected -2 to 1 (shape 3×2), found 2',
         'The array has no such axis.')
    file('scalar.npy', npy((), [1]))
    case('no-axes', 'forward scalar.npy -o old.npy',
         'scalar.npy: expected an array of at least 1 axis, found a single value',
         'A single value without axes is no batch.', '`convert` takes it.')
    file('image.npy', npy((1, 4, 2, 2), [0.5] * 16, '<f4'))
    case('csv-axes', 'forward image.npy --to csv',
         'standard output: expected at most 2 axes for CSV, found shape 1×4×2×2',
         'CSV has rows and columns, and the array more axes than two.',
         hint='--to npy')
    file('wide.npy', header(dictionary('<f8', (0, 3 * 10 ** 9))))
    case('channels-2-31', 'forward wide.npy',
         'wide.npy: shape: expected fewer than 2^31 channels and 2^63 values, found 0×3000000000',
         'Channels are counted in 31 bits.', 'Probably `--channel-axis` is another.')
    file('wide-empty.npy', header(dictionary('<f8', (0, 2 * 10 ** 9))))
    case('channels-many', 'forward wide-empty.npy',
         'wide-empty.npy: expected at most 65536 channels in an array without values, found 2000000000 (shape '
         '0×2000000000)',
         'The header of an empty array announces channels by the billion.')
    file('wide-inspect.npy', header(dictionary('<f4', (0, 10 ** 8))))
    case('channels-inspect', 'inspect wide-inspect.npy',
         'wide-inspect.npy: expected at most 65536 channels in an array without values, found 100000000 (shape '
         '0×100000000)',
         'A look at a file of 128 bytes must not cost memory for a hundred million channels.')
    case('batch-size-axis', 'forward good.npy --channel-axis 0 --batch-size 2 -o old.npy',
         'good.npy: expected samples along axis 0 (--batch-size 2), found the channels there (shape 3×2)',
         'Mini-batches are cut along axis 0, where the channels are.')
    file('gap-2.csv', 'a,b\n1,2\n,4\n5,9\n7,7\n')
    file('gap-3.csv', 'a,b\n0.5,1\n-1,2\n3,\n4,4\n')
    case('dy-skips-others', 'backward gap-2.csv --dy gap-3.csv --missing skip -q -o old.npz',
         'gap-3.csv: expected the rows skipped that are skipped in gap-2.csv (1), found others (1)',
         'Each file misses a cell in another row, and dropping both would pair rows that do not belong together.',
         hint='--missing nan keeps the rows of both files together')
    file('dy-ba.csv', 'b,a\n0.5,1\n-1,2\n3,0\n')
    file('stats-ba.csv', 'channel,count,mean,variance\nb,3,5,1\na,3,3,2\n')
    case('running-columns', 'infer x.csv --running stats-ba.csv -o old.csv',
         'x.csv: expected the columns b, a (stats-ba.csv), found a, b',
         'The table of statistics names its channels, and the columns have other names or another order.')
    case('dy-columns', 'backward x.csv --dy dy-ba.csv -o old.npz',
         'dy-ba.csv: expected the columns a, b (x.csv), found b, a',
         'The columns of the two files have other names or another order.')
    file('long.npz', zipped(member('x.npy', npy((2 ** 18 + 1, 1), [0] * (2 ** 18 + 1), '|u1'), method=8)))
    case('gradcheck-long', 'gradcheck long.npz',
         'long.npz:x: expected at most 262144 values a channel (their gradients are taken in exact arithmetic), '
         'found 262145 (shape 262145×1)',
         'Differences in exact arithmetic take some microseconds each.', 'Check fewer samples.',
         hint='a part of the batch has gradients too')
    case('columns-last', 'covariance image.npy -o old.npz',
         'image.npy: expected the columns on the last axis, found shape 1×4×2×2 with the channels on axis 1',
         'A covariance is that of columns, and these lie across the array.',
         hint='--channel-axis -1 if that is where they are; else move them there')
    case('dy-shape', 'backward x.csv --dy plain.csv -o old.npz',
         'plain.csv: expected shape 3×2 (x.csv), found 2×2',
         'The gradient of the output has another shape than INPUT.')


def type_cases():
    topic(3, 'Numbers that would change', 'No bit is lost unless --narrow allows it.')
    file('big-integers.npy', npy((2, 2), [1, 2, 2 ** 53 + 1, 4], '<i8'))
    case('integer-beyond-53', 'forward big-integers.npy',
         'big-integers.npy: expected integers that a binary64 holds exactly, found 9007199254740993 at index (1, 0)',
         'A 64-bit integer is no binary64, in which all is computed.',
         hint='--narrow rounds them to the nearest binary64')
    file('thirds.npy', doubles(0.5, 1 / 3))
    case('convert-smaller', 'convert thirds.npy --dtype f32 -o old.npy',
         'thirds.npy: expected numbers that f32 holds exactly, found 0.3333333333333333 at index (1,)',
         'A value has more bits than the type that is to be written.',
         hint='--narrow rounds each to the nearest')


def parameter_cases():
    topic(3, 'Gamma and beta', 'They are a finite number, or a file with one finite number a channel.')
    case('gamma-nan', 'forward x.csv --gamma nan',
         '--gamma: expected a finite number, found nan',
         'A scale of NaN would make every result NaN.')
    case('gamma-large', 'forward x.csv --gamma 1e400',
         '--gamma: expected a finite number, found 1e400',
         'The number typed is beyond the largest binary64.')
    file('three.npy', doubles(1, 2, 3))
    case('gamma-length', 'forward x.csv --gamma three.npy -o old.csv',
         'three.npy: expected 2 values (channels of x.csv, shape 3×2), found 3',
         'Gamma or beta is for another number of channels.',
         'Perhaps the channels are along another axis: `--layout`, `--channel-axis`.')
    case('beta-shape', 'forward x.csv --beta x.csv',
         'x.csv: expected one value per channel (at most one axis longer than 1), found shape 3×2',
         'A parameter has two long axes, so its order of channels is not known.')
    file('infinite.npy', doubles(1, -INF))
    case('beta-infinite', 'forward x.csv --beta infinite.npy',
         'infinite.npy: expected finite numbers, found -inf at channel 1',
         'A parameter in a file is NaN or infinite.')
    file('big-gamma.npy', integers(1, 2 ** 53 + 1))
    case('gamma-integer', 'forward x.csv --gamma big-gamma.npy',
         'big-gamma.npy: expected integers that a binary64 holds exactly, found 9007199254740993 at index (1,)',
         'An integer among the parameters is no binary64.',
         hint="numpy.save(file, array.astype('<f8')) rounds them to the nearest")
    case('gamma-member', 'forward x.csv --gamma many.npz',
         'many.npz: expected a member gamma or weight or scale, found p, q',
         'The NPZ has several members, and none has a name of this parameter.',
         hint='name one: many.npz:MEMBER')

    topic(3, 'Weights and covariances',
          '`reparam` takes W, d × k with one unit a column, and X with d columns or their d × d covariance.')
    file('s.csv', '4,0\n0,1\n')
    file('weights-3.csv', 'u\n1\n2\n3\n')
    case('weights-rows', 'reparam --weights weights-3.csv --input x.csv -o old.npz',
         'weights-3.csv: expected 2 rows (columns of x.csv, shape 3×2), found shape 3×1',
         'The weights are for another number of columns.')
    file('x-3.npy', npy((4, 3), range(12)))
    case('weights-transposed', 'reparam --weights x-3.npy --input x-3.npy -o old.npz',
         'x-3.npy: expected 3 rows (columns of x-3.npy, shape 4×3), found shape 4×3',
         'The weights have a column for each of the columns of X, where they should have a row.',
         hint='one unit a column; weights as PyTorch lays them out must be transposed')
    case('weights-axes', 'reparam --weights image.npy --weight-norm -o old.npz',
         'image.npy: expected 2 axes (d × k, one unit a column), found shape 1×4×2×2',
         'Weights of a convolution are no matrix.')
    case('weights-gamma', 'reparam --weights units.csv --weight-norm --gamma three.npy -o old.npz',
         'three.npy: expected 2 values (units of units.csv, shape 2×2), found 3',
         'Gamma or beta is for another number of units.')
    case('weights-dy', 'reparam --weights units.csv --input x.csv --dy plain.csv -o old.npz',
         'plain.csv: expected shape 3×2 (rows of x.csv, units of units.csv), found 2×2',
         'The gradient of the output has not a row for each of X and a column for each unit.')
    case('covariance-no-square', 'reparam --weights units.csv --covariance x.csv --mean 0 -o old.npz',
         'x.csv: expected a square matrix, found shape 3×2',
         'The array is no covariance.', '`--input` takes data.')
    case('covariance-alone', 'reparam --weights units.csv --covariance s.csv -o old.npz',
         's.csv: expected the mean beside the covariance, found the covariance alone',
         'The mean makes the bias, and it is not there.',
         hint='--mean MU names it')
    case('covariance-mean', 'reparam --weights units.csv --covariance s.csv --mean three.npy -o old.npz',
         'three.npy: expected 2 values (columns of s.csv, shape 2×2), found 3',
         'The mean is for another number of columns.')
    file('s-nan.csv', '4,nan\nnan,1\n')
    case('covariance-nan', 'reparam --weights units.csv --covariance s-nan.csv --mean 0 -o old.npz',
         's-nan.csv: expected finite numbers, found nan at (0, 1)',
         'A covariance is NaN or infinite; data with such values have given it.')
    file('s-skew.csv', '4,1\n2,1\n')
    case('covariance-skew', 'reparam --weights units.csv --covariance s-skew.csv --mean 0 -o old.npz',
         's-skew.csv: covariance: expected a symmetric matrix, found 2.0 at (1, 0) and 1.0 at (0, 1)',
         'The matrix is not its own transpose.', 'Perhaps it was rounded; take (S + Sᵀ)/2.')
    file('s-negative.csv', '4,0\n0,-1\n')
    case('covariance-negative', 'reparam --weights units.csv --covariance s-negative.csv --mean 0 -o old.npz',
         's-negative.csv: covariance: expected variances ≥ 0 on the diagonal, found -1.0 at (1, 1)',
         'A variance is negative.', 'A one-pass formula in floating point gives such variances.')
    square = npy((2, 2), [4, 0, 0, 1])
    file('s-no-mean.npz', npz(covariance=square, count=npy((), [3], '<i8')))
    case('covariance-no-mean', 'reparam --weights units.csv --covariance s-no-mean.npz -o old.npz',
         's-no-mean.npz: expected the mean beside the covariance, found covariance, count',
         'The file has a covariance and no mean.',
         hint='--mean MU names it')
    file('s-bound.npz', npz(mean=doubles(0, 0), covariance=square, covariance_bound=doubles(0, 0)))
    case('covariance-bound', 'reparam --weights units.csv --covariance s-bound.npz -o old.npz',
         's-bound.npz:covariance_bound: expected shape 2×2 as the covariance, found 2',
         'The bound is for another covariance.')
    file('s-bound-negative.npz',
         npz(mean=doubles(0, 0), covariance=square, covariance_bound=npy((2, 2), [0, -1, -1, 0])))
    case('covariance-bound-negative', 'reparam --weights units.csv --covariance s-bound-negative.npz -o old.npz',
         's-bound-negative.npz:covariance_bound: expected numbers ≥ 0, found -1.0 at (0, 1)',
         'A bound is negative.')

    topic(3, 'Statistics',
          'The file of `--running` lacks what is needed, or is for other data. `forward --save FILE.npz` writes such '
          'files.')
    file('given.npz', npz(mean=doubles(1, 2), variance=doubles(1, 4)))
    file('running.csv', 'running_mean,running_variance\n0,1\n0,1\n')
    case('statistics-npy', 'infer x.csv --running three.npy',
         'three.npy: expected statistics as NPZ or CSV, found NPY',
         'Statistics are several arrays with names, and an NPY has one without.',
         hint='forward --save FILE.npz writes such a file')
    case('statistics-member', 'infer x.csv --running given.npz:mean',
         'given.npz:mean: expected statistics as NPZ or CSV, found one member of an NPZ',
         'One member of the file was named, where the whole is needed.',
         hint='forward --save FILE.npz writes such a file')
    case('statistics-foreign', 'infer x.csv --running many.npz',
         'many.npz: expected mean, found no statistics',
         'None of the arrays has a name that statistics have.',
         hint='forward --save FILE.npz writes mean and variance, with --running also running_mean and '
              'running_variance')
    case('statistics-running', 'infer x.csv --running given.npz --statistics running',
         'given.npz: expected running_mean, found mean, variance',
         'The file has the statistics of a batch, and running ones were asked for.',
         hint='forward --save FILE.npz writes mean and variance, with --running also running_mean and '
              'running_variance')
    file('no-variance.npz', npz(running_mean=doubles(1, 2), variance=doubles(1, 4)))
    case('statistics-half', 'infer x.csv --running no-variance.npz',
         'no-variance.npz: expected running_variance or running_var, found running_mean, variance',
         'The running mean is there without its variance.',
         hint='forward --save FILE.npz writes mean and variance, with --running also running_mean and '
              'running_variance')
    file('one.csv', '1\n2\n')
    case('statistics-length', 'infer one.csv --running given.npz',
         'given.npz:mean: expected 1 value (channels of one.csv, shape 2×1), found 2',
         'The statistics are those of another number of channels.')
    file('eps-negative.npz', npz(mean=doubles(1, 2), variance=doubles(1, 4), eps=npy((), [-1e-5])))
    case('statistics-eps', 'infer x.csv --running eps-negative.npz',
         'eps-negative.npz:eps: expected one finite number ≥ 0, found -1e-05',
         'The eps in the file is negative or not finite.', '`--eps` replaces it.')
    file('negative.csv', 'running_mean,running_variance\n0,1\n0,-1\n')
    case('variance-negative', 'infer x.csv --running negative.csv --eps 0.5 -o old.csv',
         'negative.csv: variance: expected variance + eps ≥ 0, found -1.0 + 0.5 at channel 1',
         'A variance is negative, and eps does not make up for it.',
         'A one-pass formula in floating point gives such variances.')
    running = dict(running_mean=doubles(0, 0), running_variance=doubles(1, 1))
    file('batches-half.npz', npz(batches=npy((), [1.5]), **running))
    case('batches-fraction', 'forward x.csv --running batches-half.npz --save old.npz',
         'batches-half.npz:batches: expected one integer ≥ 0, found 1.5',
         'The number of batches so far is no whole number.')
    file('batches-two.npz', npz(batches=integers(3, 3), **running))
    case('batches-several', 'forward x.csv --running batches-two.npz --save old.npz',
         'batches-two.npz:batches: expected one integer ≥ 0, found 2 values',
         'The number of batches is an array, one for each channel.')
    case('batches-missing', 'forward x.csv --running running.csv --momentum cumulative --save old.npz',
         'running.csv: expected batches (how many batches were averaged), found running_mean, running_variance',
         'A plain average needs to know of how many batches.',
         hint='--momentum cumulative weighs each new batch by 1/(batches + 1)')
    file('single.csv', '1,2\n')
    case('one-value', 'forward single.csv --running new --save old.npz',
         'single.csv: running statistics: expected at least 2 values per channel, found 1',
         'The batch has one value a channel, and the running variance is to be unbiased.',
         hint='the unbiased variance of one value does not exist; --convention onnx averages the biased one')

    topic(3, 'Layers',
          '`fold` needs weights as PyTorch lays them out: out × in, out × in/groups × kernel, or for a transposed '
          'convolution in × out/groups × kernel.')
    file('w.npy', npy((2, 3), [1, 2, 3, 4, 5, 6]))
    file('kernel.npy', npy((3, 2, 2), [0.5] * 12))
    case('layer-axes', 'fold --weights three.npy --running given.npz -o old.npz',
         'three.npy: weights: expected 2 axes (linear) or 3 to 5 (conv), found 3',
         'The weights are those of no layer that `fold` knows.')
    case('layer-rank', 'fold --weights w.npy --running given.npz --layer conv -o old.npz',
         'w.npy: weights: expected 3 to 5 axes (conv: out × in/groups × kernel), found 2×3',
         'The layer that was named has weights of another number of axes.')
    case('layer-groups', 'fold --weights kernel.npy --running given.npz --groups 2 -o old.npz',
         'kernel.npy: weights: expected output channels that 2 groups divide, found 3 (shape 3×2×2)',
         'The groups do not share the channels evenly.')
    case('fold-channels', 'fold --weights kernel.npy --running given.npz -o old.npz',
         'given.npz:mean: expected 3 values (outputs of kernel.npy, conv, shape 3×2×2), found 2',
         'The statistics are for another number of channels than the layer has outputs.',
         'Perhaps the layer is another: `--layer conv-transpose`.')
    case('fold-bias', 'fold --weights w.npy --bias three.npy --running given.npz -o old.npz',
         'three.npy: expected 2 values (outputs of w.npy, linear, shape 2×3), found 3',
         'The bias is for another number of outputs.')
    case('fold-variance-negative', 'fold --weights w.npy --running negative.csv --eps 0.25 -o old.npz',
         'negative.csv: variance: expected variance + eps ≥ 0, found -1.0 + 0.25 at channel 1',
         'A variance to be folded is negative, and eps does not make up for it.')
    file('layer.npz', npz(weight=npy((2, 3), [1, 2, 3, 4, 5, 6]), bias=doubles(1, 2),
                          running_mean=doubles(1, 2), running_var=doubles(1, 4)))
    case('fold-beta', 'fold --weights layer.npz --bias layer.npz --running layer.npz --beta layer.npz -o old.npz',
         'layer.npz: expected a member beta or shift, found weight, bias, running_mean, running_var',
         'In the file of the layer `weight` and `bias` are the layer\'s, and not gamma and beta of the batch norm.',
         hint='name one: layer.npz:MEMBER')
    case('fold-input', 'fold --weights w.npy --running given.npz --check x.csv',
         'x.csv: shape: expected N×3 (input of weights 2×3, linear), found 3×2',
         'The data to check with is no input of the layer.')

    topic(3, 'States and their merging',
          '`stats` merges batches and the states that `stats --save` writes. A state that no data could have is '
          'refused: it was damaged or made by another program. Compute it again from the data.')
    case('merge-channels', 'stats x.csv one.csv',
         'one.csv: expected 2 channels (x.csv, shape 3×2), found 1 (shape 2×1)',
         'The files have different numbers of channels.')
    file('ba.csv', 'b,a\n1,2\n3,4\n')
    case('merge-names', 'stats x.csv ba.csv',
         'ba.csv: expected the columns a, b (x.csv), found b, a',
         'The columns have other names or another order.')
    case('table-sizes', 'stats x.csv one.csv --each -o old.npz',
         'one.csv: expected 2 channels (x.csv), found 1',
         'Tables of different sizes do not fit into one array.',
         hint='--to csv writes tables of several sizes')
    case('merge-save-file', 'stats x.csv given.npz',
         'given.npz: expected a batch or a state, found statistics without their exact sums',
         'The file has rounded statistics, which cannot be merged.',
         hint='stats --save writes a state, which can be merged; forward --save does not')
    file('state-of-mine.npz', npz(state=doubles(1, 2)))
    case('state-foreign', 'stats state-of-mine.npz',
         'state-of-mine.npz:state: expected the version of a state (i64, no axes), found f64 of shape 2',
         'The file has a member called state and is no state.',
         hint='stats --save writes states; other files may not have a member of that name')
    file('state-2.npz', npz(state=npy((), [2], '<i8')))
    case('state-version', 'stats state-2.npz',
         'state-2.npz:state: expected state version 1, found 2',
         'The state is of a version this program does not know.', 'Take the batchnorm that wrote it, or a newer one.',
         hint='a newer batchnorm wrote it')
    file('state-more.npz', state(gamma=doubles(1, 1)))
    case('state-more', 'stats state-more.npz -o old.csv',
         'state-more.npz: expected the 11 members of a state alone, found also "gamma"',
         'A member was added to a state.')
    file('state-less.npz', state(sum_xx=None))
    case('state-less', 'stats state-less.npz -o old.csv',
         'state-less.npz: expected a member "sum_xx", found state, count, flags, sum_x_exponent, sum_x_limbs, '
         'sum_x, sum_xx_exponent, sum_xx_limbs, mean, variance',
         'A member was taken from a state.')
    file('state-count-type.npz', state(count=doubles(2, 2)))
    case('state-count-type', 'stats state-count-type.npz',
         'state-count-type.npz:count: expected i64, one axis of at most 134217727 channels, found f64 of shape 2',
         'The counts of a state are not integers.')
    file('state-flags-shape.npz', state(flags=npy((3,), [0, 0, 0], '|u1')))
    case('state-shape', 'stats state-flags-shape.npz',
         'state-flags-shape.npz:flags: expected u8 of shape 2, found u8 of shape 3',
         'A member of a state is for another number of channels.')
    file('state-count.npz', state(count=integers(2, -2)))
    case('state-count', 'stats state-count.npz',
         'state-count.npz:count: expected 0 to 2^63 − 1 values, found -2 at channel 1',
         'A count is negative.')
    file('state-flags.npz', state(flags=npy((2,), [0, 8], '|u1')))
    case('state-flags', 'stats state-flags.npz',
         'state-flags.npz:flags: expected 0 to 7 (NaN 1, +inf 2, -inf 4), found 8 at channel 1',
         'A flag has no meaning.')
    empty = dict(sum_x_exponent=integers(2, 0), sum_x_limbs=integers(1, 0), sum_x=limbs(1),
                 sum_xx_exponent=integers(1, 0), sum_xx_limbs=integers(1, 0), sum_xx=limbs(5))
    file('state-flags-count.npz', state(flags=npy((2,), [0, 7], '|u1'), **empty))
    case('state-flags-count', 'stats state-flags-count.npz',
         'state-flags-count.npz:flags: expected at most one flag for each of 2 values, found 7 at channel 1',
         'Two values are said to have been NaN, +inf and -inf.')
    file('state-count-0.npz', state(count=integers(2, 0)))
    case('state-count-0', 'stats state-count-0.npz',
         'state-count-0.npz:sum_x_limbs: expected 0 (count is 0), found 1 at channel 1',
         'A channel without values is said to have a sum.')
    file('state-flags-sum.npz', state(flags=npy((2,), [0, 1], '|u1')))
    case('state-flags-sum', 'stats state-flags-sum.npz',
         'state-flags-sum.npz:sum_x_limbs: expected 0 (flags is 1), found 1 at channel 1',
         'A channel that saw NaN is said to have a finite sum.')
    file('state-limbs.npz', state(sum_x_limbs=integers(1, 99)))
    case('state-limbs', 'stats state-limbs.npz',
         'state-limbs.npz:sum_x_limbs: expected 0 to 34 limbs, found 99 at channel 1',
         'A sum is said to be longer than any sum of binary64 numbers is.')
    file('state-zero-exponent.npz', state(**dict(empty, sum_x_exponent=integers(2, 3))))
    case('state-zero-exponent', 'stats state-zero-exponent.npz',
         'state-zero-exponent.npz:sum_x_exponent: expected 0 (the sum is 0), found 3 at channel 1',
         'A sum of 0 has an exponent.')
    file('state-exponent.npz', state(sum_x_exponent=integers(2, -5000)))
    case('state-exponent', 'stats state-exponent.npz',
         'state-exponent.npz:sum_x_exponent: expected -1074 to 1086, found -5000 at channel 1',
         'A sum has bits below those of any binary64 number.')
    file('state-even.npz', state(sum_x=limbs(1, 6)))
    case('state-even', 'stats state-even.npz',
         'state-even.npz:sum_x: expected an odd integer, found an even one at channel 1',
         'A sum is not written in its one form, with an odd integer.')
    file('state-fewest.npz', state(sum_x_limbs=integers(1, 2), sum_x=limbs(1, 7, 0)))
    case('state-fewest', 'stats state-fewest.npz',
         'state-fewest.npz:sum_x: expected the fewest limbs, 1 for this sum, found 2 at channel 1',
         'A sum takes more room than it needs.')
    file('state-negative.npz', state(sum_xx=limbs(5, -29)))
    case('state-negative', 'stats state-negative.npz',
         'state-negative.npz:sum_xx: expected a sum ≥ 0, found a negative one at channel 1',
         'A sum of squares is negative.')
    file('state-large.npz', state(sum_x_exponent=integers(2, 1060)))
    case('state-large', 'stats state-large.npz',
         'state-large.npz:sum_x: expected a sum of 2 values below 2^1024, found 2^1062 or more at channel 1',
         'A sum is larger than that many values can make it.')
    file('state-spread.npz', state(sum_xx=limbs(5, 23)))
    case('state-spread', 'stats state-spread.npz',
         'state-spread.npz:sum_xx: expected count · sum_xx ≥ sum_x², found less at channel 1',
         'The sums would have a negative variance.')
    nothing = dict(sum_x_exponent=integers(0), sum_x_limbs=integers(0), sum_x=limbs(), mean=doubles(0),
                   sum_xx_exponent=integers(0), sum_xx_limbs=integers(0), sum_xx=limbs(), variance=doubles(0))
    file('state-full.npz', state(count=integers(2 ** 63 - 1), flags=npy((1,), [0], '|u1'), **nothing))
    case('state-full', 'stats state-full.npz one.csv',
         'one.csv: sums: expected fewer than 2^63 values per channel, found 9223372036854775809 at channel 0',
         'Together the files have more values than a count can hold.')


def output_cases():
    topic(5, 'Outputs',
          'The output could not be written. Nothing is left behind, and an existing file keeps its content.')
    case('output-directory-missing', 'forward x.csv -o nowhere/y.csv',
         'nowhere/y.csv: expected an existing directory, found none',
         'The directory of the output does not exist; none is made.', '`mkdir -p` makes it.')
    case('output-is-directory', 'forward x.csv -o results --to csv',
         'results: expected a file, found a directory',
         'The output is a directory.', 'Name a file in it.', setup='directory results')
    case('output-under-file', 'forward x.csv -o x.csv/y.csv',
         'x.csv/y.csv: expected a file that may be written, found Not a directory',
         'A file stands where the directory of the output should be.')
    case('cases-directory-with-files', 'cases --shape 8,3 -o .',
         '.: expected a new or empty directory, found one with files in it',
         'Files of a case stand in a directory of their own.',
         hint='nothing is overwritten; name another, or remove it')
    case('cases-onto-file', 'cases --shape 8,3 -o x.csv',
         'x.csv: expected a new or empty directory, found another file',
         'A file stands where the directory of the case should be.')
    case('output-link-circle', 'forward x.csv -o loop.csv',
         'loop.csv: expected a file that may be written, found a circle of symbolic links',
         'The output is a symbolic link that leads to itself.', setup='loop loop.csv')
    case('output-read-only', 'forward x.csv -o kept.csv',
         'kept.csv: expected a file that may be written, found no permission',
         'The output exists and may not be written.', setup='read-only kept.csv')
    case('output-closed-directory', 'forward x.csv -o closed/y.csv',
         'closed/y.csv: expected a file that may be written, found no permission',
         'The directory of the output takes no new files.', setup='closed closed')
    case('golden-under-file', 'golden record x.csv dy.csv',
         'x.csv/dy: expected directories above it, found a file',
         'DIR is a file. Perhaps DIR was forgotten in front of INPUT.')
    case('disk-full', 'forward x.csv -o /dev/full --to csv',
         '/dev/full: expected to write all of it, found "No space left on device"',
         'The disk is full.', setup='device /dev/full')


def golden_cases():
    topic(3, 'Golden cases',
          'The trees of `golden check` and the inputs of `golden record --reference`. What is wrong with a case is its '
          'verdict, and exit code 1: [formats.md](formats.md#golden-cases).')
    case('golden-nowhere', 'golden check nowhere',
         'nowhere: expected a directory of golden cases, found no such directory',
         'Nothing of that name exists.')
    case('golden-file', 'golden check x.csv',
         'x.csv: expected a directory of golden cases, found a file',
         'A case is a directory.')
    case('golden-empty', 'golden check results',
         'results: expected golden cases (directories with a manifest.json), found none',
         'Nothing was checked, which is no success.',
         hint='batchnorm golden record results INPUT makes one', setup='directory results')
    case('golden-reference', 'golden record golden x.csv --reference',
         'x.csv: expected NPY or NPZ (for --reference), found CSV',
         'Text is read with options that a reference does not keep.',
         hint='without --reference the numbers are copied into the case')


def all_cases():
    usage_cases()
    file_cases()
    csv_cases()
    npy_cases()
    npz_cases()
    shape_cases()
    type_cases()
    parameter_cases()
    golden_cases()
    output_cases()


# ---------------------------------------------------------------------------------------------
# What is written.

def manifest():
    out = io.StringIO()
    w = csv.writer(out, lineterminator='\n')
    w.writerow(COLUMNS)
    w.writerows(row for row, _, _ in cases.values())
    return out.getvalue()


def tables():
    """The part of docs/errors.md between the marks."""
    lines = [BEGIN, '']
    last = None
    for code, title, intro in topics:
        if code != last:
            what = {2: 'the command line', 3: 'the input', 5: 'the output'}[code]
            lines += ['## Exit code %d: %s' % (code, what), '']
        last = code
        lines += ['### ' + title, '', intro, '', '| message | cause and cure |', '|---|---|']
        for row, cure, under in cases.values():
            if under == title:
                message, hint, why = row[5:]
                parts = [why, cure, 'Hint: `%s`.' % hint if hint else '']
                lines.append('| `%s` | %s |' % tuple(
                    cell.replace('|', '\\|') for cell in (message, ' '.join(p for p in parts if p))))
        lines.append('')
    return '\n'.join(lines + [END])


def documented():
    text = DOCUMENT.read_text(encoding='utf-8')
    before, rest = text.split(BEGIN)
    return before + tables() + rest.split(END)[1]


def main():
    all_cases()
    for row, cure, _ in cases.values():
        assert row[7].endswith('.') and (cure == '' or cure.endswith('.')), row
    for column in ('case', 'message', 'why'):
        values = [row[COLUMNS.index(column)] for row, _, _ in cases.values()]
        assert len(set(values)) == len(values), [v for v in values if values.count(v) > 1]
    folder = HERE / 'malformed'
    wanted = {folder / name: data for name, data in files.items()}
    wanted[folder / 'cases.csv'] = manifest().encode()
    wanted[DOCUMENT] = documented().encode()
    changed = [f for f, data in wanted.items() if not f.exists() or f.read_bytes() != data]
    extra = [f for f in folder.glob('*') if f not in wanted]
    if sys.argv[1:] == ['--check']:
        for f in changed + extra:
            print('%s is not what make_malformed.py writes' % f.relative_to(HERE.parent))
        sys.exit(1 if changed or extra else 0)
    folder.mkdir(exist_ok=True)
    for f in changed:
        f.write_bytes(wanted[f])
    for f in extra:
        f.unlink()
    print('%d cases, %d files, %d bytes in %s' % (len(cases), len(files), sum(map(len, files.values())), folder),
          file=sys.stderr)


if __name__ == '__main__':
    main()
