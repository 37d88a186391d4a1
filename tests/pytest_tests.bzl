"""One `py_test` for each file of pytest's tests."""

def _tags(file):
    if file.startswith("integration/"):
        return ["local"]  # sockets and processes need more than the sandbox gives
    if "/" not in file:
        return ["external"]  # reads the whole tree, so that no result of it may be kept
    return []

def pytest_tests(files, data, deps):
    """Makes a target for each file: `learning/test_fed_avg.py` is `:learning/test_fed_avg`.

    Args:
      files: the test files.
      data: what the tests read at run time.
      deps: what they import.
    """
    for file in files:
        native.py_test(
            name = file[:-len(".py")],
            srcs = [file, "run_pytest.py"],
            args = ["$(location %s)" % file],
            data = data + [file],
            main = "run_pytest.py",
            tags = _tags(file),
            deps = deps + [":conftest"],
        )
