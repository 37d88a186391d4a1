"""One `py_test` for each file of pytest's tests."""

def _tags(file):
    if file.startswith("integration/"):
        return ["local"]  # sockets and processes need more than the sandbox gives
    if "/" not in file:
        return ["external"]  # reads files that Bazel does not see: its result may not be kept
    return []

def pytest_tests(name, files, data, deps):
    """Makes a target for each file: `learning/test_fed_avg.py` is `:learning/test_fed_avg`.

    Args:
      name: of the suite of them all.
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
            timeout = "long",  # TensorFlow starts in each, and machines may be busy
            tags = _tags(file),
            deps = deps + [":conftest"],
        )
    native.test_suite(name = name)
