"""Which files are photographs of what."""

import os
import pathlib
import unicodedata

import pytest

from datasets.store_listing import list_store, list_stores
from tff_retail.config import ConfigurationError


def _touch(folder: pathlib.Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def _found(folder: pathlib.Path) -> list[tuple[str, str]]:
    return [(photo.path, photo.label) for photo in list_store(folder, "s").photographs]


def _skipped(folder: pathlib.Path) -> dict[str, str]:
    return {file.path: file.reason for file in list_store(folder, "s").skipped}


def test_extensions_in_any_case_and_nothing_hidden(tmp_path):
    _touch(tmp_path, *(f"tea/{n}" for n in ("a.jpg", "b.JPEG", "c.Png", "d.webp", "e.BMP")))
    _touch(tmp_path, "tea/notes.txt", "tea/.a.jpg", "tea/._a.jpg", ".hidden/a.jpg")
    _touch(tmp_path, "tea/.thumbs/a.jpg", "__MACOSX/a.jpg", "tea/@eaDir/a.jpg")
    assert [path for path, _ in _found(tmp_path)] == [
        f"tea/{name}" for name in ("a.jpg", "b.JPEG", "c.Png", "d.webp", "e.BMP")
    ]
    assert _skipped(tmp_path) == {}


def test_other_formats_and_photographs_without_a_label_are_named(tmp_path):
    _touch(tmp_path, "tea/a.HEIC", "tea/deep/b.tiff", "loose.jpg", "readme.md")
    assert _found(tmp_path) == []
    assert _skipped(tmp_path) == {
        "tea/a.HEIC": ".heic is not read; convert it to JPEG",
        "tea/deep/b.tiff": ".tiff is not read; convert it to JPEG",
        "loose.jpg": "not in the folder of a label",
    }


def test_folders_below_a_label_belong_to_it(tmp_path):
    _touch(tmp_path, "fruit/apple/red/a.jpg", "fruit/b.jpg")
    assert _found(tmp_path) == [("fruit/apple/red/a.jpg", "fruit"), ("fruit/b.jpg", "fruit")]


def test_two_spellings_of_a_label_merge(tmp_path):
    composed, decomposed = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    _touch(tmp_path, f"{composed}/a.jpg", f"{decomposed}/b.jpg")
    assert {label for _, label in _found(tmp_path)} == {composed}
    assert len(_found(tmp_path)) == 2


@pytest.mark.parametrize(
    "name", ["with blanks", "苹果", "x" * 200, "5$ deal", "🍏", "%s", "a,b\"'"]
)
def test_odd_names(tmp_path, name):
    _touch(tmp_path, f"{name}/{name}/p.jpg")
    (store,) = list_stores(tmp_path)
    assert store.name == name
    assert store.photographs[0].label == name


def test_links_are_followed_but_never_in_circles(tmp_path):
    _touch(tmp_path / "real", "a.jpg")
    store = tmp_path / "store"
    store.mkdir()
    (store / "tea").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "circle").symlink_to(tmp_path / "real")
    (store / "self").symlink_to(store / "self")
    assert _found(store) == [("tea/a.jpg", "tea")]


def test_bytes_that_are_no_utf8_are_read(tmp_path):
    folder = os.fsencode(tmp_path) + b"/t\xffa"
    os.mkdir(folder)
    open(folder + b"/\xfe.jpg", "w").close()
    assert _found(tmp_path)[0][1] == "t\ufffda"


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    _touch(tmp_path, "store/tea/a.jpg")
    iterdir = pathlib.Path.iterdir

    def refuse(path):
        if path.name == "store":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(pathlib.Path, "iterdir", refuse)
    (store,) = list_stores(tmp_path)
    assert store.photographs == ()
    assert [(file.path, file.reason) for file in store.skipped] == [(".", "Permission denied")]


def test_stores_are_sorted_and_our_own_folders_are_none(tmp_path):
    _touch(tmp_path, "b/t/a.jpg", "a/t/a.jpg", ".tff_retail_cache/x/a.jpg", "eval/t/a.jpg", "f.jpg")
    ignored = {(tmp_path / "eval").resolve()}
    assert [store.name for store in list_stores(tmp_path, ignored)] == ["a", "b"]


def test_stores_that_differ_in_spelling_alone_stay_two(tmp_path):
    decomposed = unicodedata.normalize("NFD", "caf\u00e9")
    _touch(tmp_path, "caf\u00e9/t/a.jpg", f"{decomposed}/t/b.jpg")
    assert {store.name for store in list_stores(tmp_path)} == {"caf\u00e9", decomposed}


def _manifest(store: pathlib.Path, text: str, encoding: str = "utf-8") -> None:
    store.mkdir(exist_ok=True)
    (store / "manifest.csv").write_bytes(text.encode(encoding))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_manifest_takes_the_place_of_folders(tmp_path, delimiter, encoding):
    _touch(tmp_path, "tea/ignored.jpg", "pictures/one.jpg")
    rows = ["Label,price,FILE", "tea,2.5,pictures/one.jpg", "cafe\u0301,1,two.xyz"]
    _manifest(tmp_path, "\r\n".join(rows).replace(",", delimiter), encoding)
    assert _found(tmp_path) == [("pictures/one.jpg", "tea"), ("two.xyz", "caf\u00e9")]


def test_manifest_rows_may_not_lead_outside(tmp_path):
    rows = [
        "file,label",
        "/etc/passwd,tea",
        "../b/a.jpg,tea",
        "a/../../b.jpg,tea",
        ",tea",
        "a.jpg,",
    ]
    _manifest(tmp_path, "\n".join(rows))
    assert _found(tmp_path) == []
    assert sorted(_skipped(tmp_path).items()) == [
        ("", "line 5: not inside the store's folder"),
        ("../b/a.jpg", "line 3: not inside the store's folder"),
        ("/etc/passwd", "line 2: not inside the store's folder"),
        ("a.jpg", "line 6: no label"),
        ("a/../../b.jpg", "line 4: not inside the store's folder"),
    ]


def test_manifest_of_other_systems(tmp_path):
    decomposed = unicodedata.normalize("NFD", "caf\u00e9.jpg")
    _touch(tmp_path, f"pictures/{decomposed}")
    _manifest(tmp_path, "file,label\npictures\\caf\u00e9.jpg,tea\npictures\\caf\u00e9.jpg,tea\n")
    assert _found(tmp_path) == [(f"pictures/{decomposed}", "tea")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("a.jpg,tea\n", "utf-8"), ("", "utf-8"), ("file,name\na,b\n", "utf-8"), ("file,é", "latin-1")],
)
def test_a_malformed_manifest_is_one_sentence(tmp_path, text, encoding):
    _manifest(tmp_path, text, encoding)
    with pytest.raises(ConfigurationError, match=r"manifest\.csv must"):
        list_store(tmp_path, "s")
