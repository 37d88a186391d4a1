"""What a policy would refuse of a run: `python -m tff_retail.store policy check`.

The run is a run directory (of headquarters, or of a simulation), a store's own state directory with
the manifest that it took last, or a file with one serialised computation, which is looked at as the
role `train`.
"""

import hashlib
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.privacy.finding import Finding
from tff_retail.privacy.graph_check import check_graph
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.program.policy_judgement import judge_manifest, judge_work
from tff_retail.program.store_manifest import StoreManifest, UnusableManifest, read_store_manifest

_REMEDY = "give a run directory, a store's --state_dir or a file with a serialised computation"


def check_policy(policy: ReleasePolicy, work: str) -> list[str]:
    """One line for each thing that the policy refuses of a run; none where it refuses nothing.

    What depends on the store's photographs and on the day, such as how many there are and how much
    has left already, shows when the run asks.

    Args:
      policy: of a store.
      work: path of a run directory, a state directory or a serialised computation.

    Raises:
      ConfigurationError: nothing of that is there.
    """
    path = pathlib.Path(work).expanduser()
    if path.is_file():
        computation = path.read_bytes()
        return _lines(
            "train", [*_graph(policy, computation), *judge_work(policy, "train", computation)]
        )
    for manifest, content in (_of_run(path), _of_store(path)):
        if manifest is not None:
            return list(_of_manifest(policy, manifest, content))
    raise ConfigurationError(f"--work must hold a manifest, found none in {work!r}; {_REMEDY}")


def _of_manifest(
    policy: ReleasePolicy, values: Mapping[str, Any], content: Callable[[str, str], bytes]
) -> Iterator[str]:
    try:
        manifest = read_store_manifest(values)
    except UnusableManifest as error:
        raise ConfigurationError(f"--work must hold a store's manifest: {error}") from error
    yield from _lines("manifest", judge_manifest(policy, manifest))
    for role, digest, is_released in _graphs(manifest):
        try:
            computation = content(role, digest)
        except OSError as error:
            raise ConfigurationError(
                f"--work must hold the graph of {role!r}, found no {error.filename}; {_REMEDY}"
            ) from error
        if hashlib.sha256(computation).hexdigest() != digest:
            # What is looked at here must be what a store would run.
            raise ConfigurationError(
                f"--work must hold the graph of {role!r} that its manifest names, {digest}, found "
                f"another; {_REMEDY}"
            )
        findings = _graph(policy, computation, is_released=is_released)
        if is_released:
            findings += judge_work(policy, role, computation)
        yield from _lines(role, findings)


def _graphs(manifest: StoreManifest) -> Iterator[tuple[str, str, bool]]:
    """Role, digest, and whether what it gives leaves the store."""
    for role, digest in manifest.works.items():
        yield role, digest, True
    if manifest.backbone_work is not None:
        yield "features", manifest.backbone_work, False


def _graph(policy: ReleasePolicy, computation: bytes, *, is_released: bool = True) -> list[Finding]:
    return check_graph(computation, bounds=policy.graphs, has_fixed_result=is_released)


def _lines(role: str, findings: list[Finding]) -> list[str]:
    return [f"{role}: {found.rule}: {found.where}: {found.sentence}" for found in findings]


_Found = tuple[Mapping[str, Any] | None, Callable[[str, str], bytes]]


def _of_run(path: pathlib.Path) -> _Found:
    def content(role: str, digest: str) -> bytes:
        del digest  # a run has one graph of a role
        name = "features.pb" if role == "features" else f"{role}/work.pb"
        return (path / "round_form" / name).read_bytes()

    return _json(path / "manifest.json"), content


def _of_store(path: pathlib.Path) -> _Found:
    def content(role: str, digest: str) -> bytes:
        del role
        return (path / "work" / digest).read_bytes()

    signed = _json(path / "manifest.signed")
    text = None if signed is None else signed.get("manifest")
    return None if not isinstance(text, str) else json.loads(text), content


def _json(path: pathlib.Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--work must be readable, found {path} ({error})") from error
    return found if isinstance(found, dict) else None
