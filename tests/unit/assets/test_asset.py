"""Files that are handed out as they are."""

from __future__ import annotations

from broker.assets import load_asset, load_assets
from broker.assets.asset import FILES


def test_an_asset_is_the_file_with_its_type() -> None:
    """Bytes, type and a tag of the bytes."""
    asset = load_asset("client.js")
    assert (FILES / "client.js").read_bytes() == asset.body
    assert "text/javascript; charset=utf-8" == asset.content_type


def test_a_tag_is_known_among_others() -> None:
    """Weak or not; another one is not."""
    asset = load_asset("client.js")
    assert asset.is_known(asset.etag)
    assert asset.is_known(f'"a", W/{asset.etag}')
    assert not asset.is_known('"a"')
    assert not asset.is_known("")


def test_every_file_of_the_package_can_be_handed_out() -> None:
    """None has an ending whose type is not known."""
    files = {path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file()}
    assert files == load_assets("").keys()
