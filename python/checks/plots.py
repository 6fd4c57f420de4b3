"""The tests of the pictures, in a Python that has matplotlib; see scripts/check-plots."""

from __future__ import annotations

import unittest
from importlib.util import find_spec

from checkout import ROOT, Failure
from checkout.command import Words

TESTS = ROOT / "python/tests/pictures"


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("-v", action="store_true", dest="says_each")
    parser.add_argument("-k", action="append", dest="wanted")
    given = parser.parse_args(words)
    if not find_spec("matplotlib"):
        raise Failure("matplotlib is missing; run scripts/setup --plot")
    loader = unittest.TestLoader()
    if given.wanted:
        loader.testNamePatterns = [f"*{word}*" for word in given.wanted]
    tests = loader.discover(str(TESTS))
    if not tests.countTestCases():
        raise Failure("there are no such tests")
    done = unittest.TextTestRunner(verbosity=2 if given.says_each else 1).run(tests)
    return 0 if done.wasSuccessful() else 1
