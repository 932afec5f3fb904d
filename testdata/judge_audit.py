#!/usr/bin/env python3
"""Runs `batchnorm audit` on cases of make_audit_cases.py or make_audit_frameworks.py, and counts what it gets right.

    python3 judge_audit.py CASES_DIR [--command ./batchnorm] [--jobs 2] [--only TEXT] [--least 0.95]

A convention case is right if the status is not PASSED and the expected names are those of the first explanation, or of
one that the command puts on a level with it: same `matches`, or same `rank` where there is one. Explanations in the
column `also`, as good as the expected one on this data, count where they come first; the last lines say how often. A
case that expects PASSED is right if the status is PASSED, one that expects none if it isn't and nothing explains it.

Explanations on a level with the first beyond those in `also` are counted too: naming everything is no diagnosis.
Exit code 1 if fewer than 95 of 100 convention cases are right, if anything explains a corruption, or if a right case
fails.
"""
import argparse
import csv
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def ask(command, folder, row):
    """(exit code, status, [(names, level)], error)"""
    words = [command, 'audit', *shlex.split(row['options']), '--json']
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    try:
        answer = json.loads(done.stdout)
        diagnosis = [(frozenset(d['convention']), d.get('rank', d['matches'])) for d in answer['diagnosis']]
        return done.returncode, answer['status'], diagnosis, ''
    except (ValueError, KeyError, TypeError) as e:
        last = done.stderr.strip().split('\n')[0]
        return done.returncode, 'no answer', [], last or f'{type(e).__name__}: {e}'


def named(text):
    return frozenset(text.split('+'))


def judged(row, answer):
    """(right, expected come first, by `also` alone, others on the first level, what was said)"""
    code, status, diagnosis, error = answer
    level = [names for names, rank in diagnosis if rank == diagnosis[0][1]]
    said = error or f'{status} ' + (' | '.join('+'.join(sorted(n)) for n in level[:4]) or 'nothing')
    answered = not error and code == (0 if status == 'PASSED' else 1)
    if row['expected'] == 'PASSED':
        return answered and status == 'PASSED', False, 0, said
    if row['expected'] == 'none':
        return answered and status != 'PASSED' and not diagnosis, False, 0, said
    expected, also = named(row['expected']), {named(a) for a in row['also'].split()}
    found = expected in level
    by_also = not found and bool(level) and level[0] in also
    others = len([n for n in level if n != expected and n not in also])
    return answered and status != 'PASSED' and (found or by_also), by_also, others, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--command', default=str(Path(__file__).resolve().parent.parent / 'batchnorm'))
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--only', default='', help='cases whose name, expectation or note has this text')
    parser.add_argument('--least', type=float, default=0.95, help='share of convention cases that must be right')
    arguments = parser.parse_args()
    command = str(Path(arguments.command).resolve()) if '/' in arguments.command else arguments.command
    with open(arguments.folder / 'cases.csv', newline='', encoding='utf-8') as f:
        rows = [r for r in csv.DictReader(f) if arguments.only in ' '.join([r['case'], r['expected'], r['note']])]
    if not rows:
        sys.exit(f'{arguments.folder}/cases.csv: no case with {arguments.only!r}')

    counts = {kind: [0, 0] for kind in ('convention', 'PASSED', 'none')}
    by_also = crowded = alone = 0
    missed = {}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for row, answer in zip(rows, pool.map(lambda r: ask(command, arguments.folder, r), rows)):
            right, another, others, said = judged(row, answer)
            kind = row['expected'] if row['expected'] in counts else 'convention'
            counts[kind][0] += right
            counts[kind][1] += 1
            by_also += another
            crowded += others > 0
            if kind == 'convention':
                alone += right and not another and others == 0
                if not right:
                    missed[row['expected']] = missed.get(row['expected'], 0) + 1
            mark = ('also ' if another else 'ok   ') if right else 'WRONG'
            crowd = f' (+{others} on its level)' if others else ''
            print(f'{mark} {row["case"]}: expected {row["expected"]}, found {said}{crowd}'
                  + ('' if right else f'\n      {row["note"]}\n      batchnorm audit {row["options"]}'), flush=True)
    conventions, right_ones, corruptions = counts['convention'], counts['PASSED'], counts['none']
    print(f'conventions {conventions[0]} of {conventions[1]} right ({by_also} of them by an equal explanation, {alone} '
          f'by the expected one and no other that the data tells apart; {crowded} with others on the first level)')
    for names, count in sorted(missed.items()):
        print(f'  missed: {names}' + (f' × {count}' if count > 1 else ''))
    print(f'right kernels {right_ones[0]} of {right_ones[1]} PASSED; '
          f'corruptions {corruptions[0]} of {corruptions[1]} unexplained')
    good = conventions[0] >= arguments.least * conventions[1] and all(a == b for a, b in (right_ones, corruptions))
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
