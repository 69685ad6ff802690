"""The descriptions of both listeners are valid, and say what is there."""

from __future__ import annotations

from collections.abc import Iterator
import gzip
import json
import re

from jsonschema_rs import validator_for
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
import pytest

from broker import __version__
from broker.api.access import Guard
from broker.api.openapi.about import ASSETS, about
from broker.api.openapi.documents import FOLDER, asyncapi, described, openapi
from broker.api.router import Endpoint
from broker.auth.api_keys import ApiKeys
from broker.catalog import Catalog
from broker.settings.values import ListenAddress
from tests.support.markdown import ROOT, read

ASYNCAPI_SCHEMA = ROOT / "tests" / "support" / "schemas" / "asyncapi-3.0.0.json.gz"


def references(part: object) -> Iterator[str]:
    """Yield every `$ref` of a document."""
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str):
            yield reference
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def found(document: object, reference: str) -> object:
    """Return what a `$ref` leads to."""
    for step in reference.removeprefix("#/").split("/"):
        assert isinstance(document, dict), reference
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


def test_the_openapi_document_is_one() -> None:
    """It keeps to the schema of OpenAPI 3.1."""
    guard = Guard(ApiKeys(()), ListenAddress.parse("127.0.0.1:8081"))
    document = openapi(about((), lambda: Catalog.parse("channels: []"), guard))
    OPENAPI_31_VALIDATOR.validate(document)
    assert __version__ == document["info"]["version"]


def test_the_asyncapi_document_is_one() -> None:
    """It keeps to the schema of AsyncAPI 3.0."""
    schema = json.loads(gzip.decompress(ASYNCAPI_SCHEMA.read_bytes()))
    document = asyncapi()
    errors = [
        f"{error.instance_path}: {error.message}"
        for error in validator_for(schema).iter_errors(document)
    ]
    assert [] == errors
    assert __version__ == document["info"]["version"]


@pytest.mark.parametrize("document", [described(), asyncapi()], ids=["openapi", "asyncapi"])
def test_references_lead_somewhere(document: object) -> None:
    """Each `$ref` names a part of the same document."""
    assert all(found(document, reference) is not None for reference in references(document))


def test_a_route_that_nobody_described_is_told_all_the_same() -> None:
    """Its handler's own words stand in, and its variable is a parameter."""

    async def handler(_: object) -> object:
        """Do something; and more."""
        return None

    endpoint = Endpoint("/things/{thing}", {"GET": handler}, keyless=True)  # type: ignore[dict-item]
    document = openapi([endpoint])
    OPENAPI_31_VALIDATOR.validate(document)
    operation = document["paths"]["/things/{thing}"]["get"]
    assert "Do something; and more." == operation["summary"]
    assert ["thing"] == [parameter["name"] for parameter in operation["parameters"]]
    assert [] == operation["security"]


def test_operations_have_names_of_their_own() -> None:
    """Generated clients call them by `operationId`."""
    names = [
        operation["operationId"]
        for path in described()["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    ]
    assert sorted(set(names)) == sorted(names)


def test_the_viewer_loads_what_there_is() -> None:
    """Its page names its own files and the document, and nothing of other hosts."""
    page = (FOLDER / "assets" / "viewer.html").read_text(encoding="utf-8")
    loaded = re.findall(r'(?:src|href|spec-url)="([^"]+)"', page)
    assert {"openapi.json", *(f"docs/{name}" for name in ASSETS if name != "LICENSE.txt")} == {
        *loaded
    }
    assert all((FOLDER / "assets" / name).is_file() for name in ASSETS)
    assert "MIT License" in read(FOLDER / "assets" / "LICENSE.txt")
