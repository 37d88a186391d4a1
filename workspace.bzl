"""Repository rules for a build without a network: see WORKSPACE."""

_TOOLCHAIN = """
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

package(default_visibility = ["//visibility:public"])

# The stub finds a Python on the PATH, for the first line of a script cannot name a path with
# spaces, and then runs the environment's.
py_runtime(
    name = "runtime",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
    stub_shebang = "#!/usr/bin/env python3",
)

py_runtime_pair(
    name = "runtimes",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtimes",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""

def _python_environment_impl(ctx):
    # Not resolved: through the link, Python finds the environment's packages.
    interpreter = "%s/.venv/bin/python" % ctx.path(Label("//:WORKSPACE")).dirname
    if not ctx.path(interpreter).exists:
        fail("Bazel tests in the environment .venv, and there is none: run `make venv`.")
    ctx.file("BUILD", _TOOLCHAIN.format(interpreter = interpreter))

python_environment = repository_rule(
    doc = "A toolchain that runs Python targets in the clone's .venv.",
    implementation = _python_environment_impl,
    local = True,
)

def _empty_repository_impl(ctx):
    ctx.file("BUILD", "package(default_visibility = [\"//visibility:public\"])\n" + ctx.attr.targets)
    for path, content in ctx.attr.files.items():
        ctx.file(path.rpartition("/")[0] + "/BUILD")
        ctx.file(path, content)

empty_repository = repository_rule(
    doc = "A repository of these targets and files alone.",
    implementation = _empty_repository_impl,
    attrs = {
        "files": attr.string_dict(doc = "Content by path, each in a package of its own."),
        "targets": attr.string(doc = "The root's BUILD."),
    },
)
