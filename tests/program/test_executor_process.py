"""What an executor child finds at its start."""

import asyncio
import os
import pathlib
import socket

from tff_retail.config import StoreConfig
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.program.executor_process import start_executor
from tff_retail.program.store_daemon import _settings


async def _run_once(settings) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = await start_executor(settings, theirs.fileno(), module="this")
        await process.communicate()


def test_folders_nested_deeper_than_any_path_are_removed(tmp_path):
    state = tmp_path / "state"
    settings = _settings(StoreConfig(data_dir=str(tmp_path)), state, "north", ReleasePolicy())
    scratch = pathlib.Path(settings.scratch_dir)
    scratch.mkdir(parents=True)
    folder = os.open(scratch, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("nested", dir_fd=folder)
        inner = os.open("nested", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    asyncio.run(_run_once(settings))
    assert list(scratch.iterdir()) == []


def test_what_earlier_executors_left_is_gone_but_for_cudas_cache(tmp_path):
    state = tmp_path / "state"
    settings = _settings(StoreConfig(data_dir=str(tmp_path)), state, "north", ReleasePolicy())
    scratch = pathlib.Path(settings.scratch_dir)
    for folder in (scratch / ".nv", scratch / "left"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("")
    (scratch / "__autograph_generated_file.py").write_text("")
    (scratch / "link").symlink_to(tmp_path / "kept")
    asyncio.run(_run_once(settings))
    assert [entry.name for entry in scratch.iterdir()] == [".nv"]
    assert (scratch / ".nv" / "file").exists() and (tmp_path / "kept" / "file").exists()
