"""The reference says of every setting what the code does."""

from __future__ import annotations

from pathlib import Path
import dataclasses

import pytest

from broker.settings import SETTINGS, Setting, Settings, describe

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    """The reference page is what the declarations say; `make docs` writes it anew."""
    assert describe() == PAGE.read_text(encoding="utf-8")


def test_every_field_is_described() -> None:
    """No field of the settings lacks a declaration."""
    assert [field.name for field in dataclasses.fields(Settings)] == list(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_has_its_names_and_reasons(setting: Setting) -> None:
    """Each setting has one environment name, one flag, a sentence and a reason."""
    assert f"### `{setting.name}`" in describe()
    assert f"`{setting.env}` · `{setting.flag} " in describe()
    assert setting.doc.endswith(".")
    assert setting.why.endswith(".")
