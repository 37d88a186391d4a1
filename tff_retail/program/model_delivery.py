"""A finished model on its way to the stores, at a run's end or when it is signed later."""

import pathlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ed25519

from tff_retail.config import RunConfig
from tff_retail.program.console import RoundConsole
from tff_retail.program.remote_fleet import RemoteFleet
from tff_retail.program.run_approval import manifest_key
from tff_retail.program.run_directory import RunDirectory
from tff_retail.program.signed_run_model import (
    SignedRunModel,
    find_signed_model,
    sign_run_model,
)
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.run_signing import run_name

_DELIVERED = "delivered.json"


def sign_or_find(
    run_dir: pathlib.Path,
    folder: FleetFolder,
    *,
    key: ed25519.Ed25519PrivateKey | None,
    say: Callable[[str], None],
) -> SignedRunModel | None:
    """The signed model of a finished run; says how it is signed where it is not.

    Args:
      run_dir: of the run.
      folder: of the fleet.
      key: signs it; None where it was signed elsewhere, or is yet to be.
      say: told what is to be done.
    """
    if key is not None:
        return sign_run_model(run_dir, key=key, chain_id=folder.chain_id)
    model = find_signed_model(run_dir)
    if model is None:
        say(
            "the model goes to the stores once it is signed: python -m tff_retail.fleet sign "
            f"{run_dir} --dir={folder.path}, then the same training command again"
        )
    return model


def deliver_model(
    fleet: RemoteFleet,
    directory: RunDirectory,
    model: SignedRunModel,
    *,
    waits_for_all: bool,
    within_s: float,
    say: Callable[[str], None],
) -> None:
    """Sends a model to the stores, and notes who has it.

    Args:
      fleet: the stores.
      directory: of the run, which keeps the note.
      model: to be delivered.
      waits_for_all: whether stores of the fleet that are not connected are waited for too.
      within_s: after so many seconds it is left at that.
      say: told how many have it.
    """
    wanted = _without(fleet.names(), directory, model)
    fleet.offer_model(model)
    there = set(fleet.connected.names())
    awaited = wanted if waits_for_all else [name for name in wanted if name in there]
    taken = fleet.wait_for_delivery(awaited, within_s=within_s)
    everyone = fleet.names()
    have = {name for name in everyone if name not in wanted or name in taken}
    directory.write_json(_DELIVERED, {"digest": model.digest, "stores": sorted(have)})
    say(f"the model is at {len(have)} of {len(everyone)} stores")


def deliver_finished(config: RunConfig, directory: RunDirectory, console: RoundConsole) -> None:
    """Delivers the model of a finished run to the stores that lack it, if it is signed.

    Raises:
      ConfigurationError: the fleet folder or the key is not what it must be.
    """
    folder = FleetFolder(config.fleet.fleet_dir)
    model = sign_or_find(directory.path, folder, key=manifest_key(config.fleet), say=console.say)
    if model is None:
        return
    name = run_name(directory.path)
    fleet = RemoteFleet(folder, config.fleet, run=name, kept_as=name, say=console.say)
    if not _without(fleet.names(), directory, model):
        console.say("all stores have its model")
        return
    with fleet:
        fleet.start()
        fleet.status.run_state("delivering")
        wait_s = config.fleet.wait_for_stores_s
        console.say(f"delivering its model on {fleet.address} for up to {wait_s:.0f} s")
        deliver_model(fleet, directory, model, waits_for_all=True, within_s=wait_s, say=console.say)
        fleet.status.run_state("finished")


def _without(names: list[str], directory: RunDirectory, model: SignedRunModel) -> list[str]:
    """The stores that have not got this model yet."""
    note = directory.read_json(_DELIVERED) or {}
    had = set(note["stores"]) if note.get("digest") == model.digest else set()
    return [name for name in names if name not in had]
