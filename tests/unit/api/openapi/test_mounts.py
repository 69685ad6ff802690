"""The mounts of the internal listener are described as they answer, and no more of them is told."""

from __future__ import annotations

from typing import Any

from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
import pytest
import yaml

from broker.api.nchan import forms as nchan
from broker.api.openapi.documents import FOLDER, described
from broker.api.openapi.mounts import mounted
from broker.api.pushstream import forms as pushstream
from broker.catalog import Catalog
from broker.core.publisher_mounts import PUBLISHER_MODES, STATISTICS_MODE

RULES = """\
version: 1
mounts:
  - {path: /all, mode: publisher, delete: true, prefix: secret., allow: ["secret.{a}"]}
  - {path: /one, mode: publisher, fixed: [secret-name], info: false, body: json}
  - {path: /text, mode: nchan_publisher, argument: to, body: text}
  - {path: /numbers, mode: statistics}
  - {path: /number, mode: statistics, fixed: [secret-name]}
channels:
  - {name: "{a}", subscribe: public}
"""


def paths() -> dict[str, Any]:
    """Return what is described under the paths of `RULES`."""
    items = yaml.safe_load((FOLDER / "mounts.yaml").read_text(encoding="utf-8"))
    return mounted(Catalog.parse(RULES).mounts, items)


def named(item: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return the parameters of GET that name channels: name, place, whether it is needed."""
    return [
        (each["name"], each["in"], each["required"])
        for each in [*item["parameters"], *item["get"].get("parameters", ())]
        if each.get("name") not in {None, "scope"}
    ]


def test_every_mode_is_described() -> None:
    """A mode of the internal listener that nobody described would be told as nothing."""
    items = yaml.safe_load((FOLDER / "mounts.yaml").read_text(encoding="utf-8"))
    assert {*PUBLISHER_MODES, STATISTICS_MODE, "components"} == items.keys()


def test_channels_are_named_where_the_mount_looks_for_them() -> None:
    """By the path, by an argument, or by nobody; statistics answer without names, too."""
    told = paths()
    assert [("channels", "path", True)] == named(told["/all/{channels}"])
    assert [("to", "query", True)] == named(told["/text"])
    assert [("channels", "path", True)] == named(told["/numbers/{channels}"])
    assert [] == [*named(told["/one"]), *named(told["/numbers"]), *named(told["/number"])]
    assert "parameters" not in told["/text"]["options"]
    assert 6 == len(told)


def test_a_mount_is_described_as_it_is_set_up() -> None:
    """DELETE where it is answered, the bodies that are taken, an empty answer without the state."""
    told = paths()
    assert "delete" in told["/all/{channels}"]
    assert "delete" not in told["/one"]
    for path, kinds in {
        "/all/{channels}": {"application/json", "text/plain"},
        "/one": {"application/json"},
        "/text": {"text/plain"},
    }.items():
        assert kinds == told[path]["post"]["requestBody"]["content"].keys()
    assert {"text/plain"} == told["/one"]["put"]["responses"]["200"]["content"].keys()
    assert "$ref" in told["/all/{channels}"]["put"]["responses"]["200"]


def test_what_a_mount_does_with_channels_is_not_told() -> None:
    """Neither names nor prefixes nor patterns stand in the description (P9)."""
    assert "secret" not in str(paths())


def test_a_document_with_mounts_is_one() -> None:
    """It keeps to the schema of OpenAPI 3.1."""
    OPENAPI_31_VALIDATOR.validate(described(Catalog.parse(RULES).mounts))


@pytest.mark.parametrize(
    ("response", "forms", "module"),
    [
        ("ChannelStates", pushstream._FORMS, "pushstream"),
        ("Statistics", pushstream._FORMS, "pushstream"),
        ("NchanState", nchan._FORMS, "nchan"),
    ],
)
def test_every_form_of_an_answer_is_described(
    response: str, forms: dict[str, Any], module: str
) -> None:
    """The types of an answer are those that there is a form for."""
    content = described()["components"]["responses"][response]["content"]
    assert {form.content_type for form in forms.values()} == content.keys(), module
