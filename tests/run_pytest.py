"""Runs one test file under pytest: the main module of every Bazel test."""

import os
import sys

import pytest

if __name__ == "__main__":
    # Bazel may ask for a part of the target with --test_filter, pytest's -k.
    test_filter = os.environ.get("TESTBRIDGE_TEST_ONLY")
    # Bazel's folder may not be written to, so no cache of pytest's.
    options = ["-p", "no:cacheprovider", *(["-k", test_filter] if test_filter else [])]
    sys.exit(pytest.main([*options, *sys.argv[1:]]))
