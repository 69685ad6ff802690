"""Finish the bill of materials that uv writes: version and licence of the broker, no clock."""

from __future__ import annotations

from pathlib import Path
import json
import re
import sys
import uuid

ROOT = Path(__file__).parent.parent


def finished(text: str, version: str) -> str:
    """
    Return a bill of materials that is the same whenever the lock is.

    Args:
        text: What `uv export --format cyclonedx1.5` wrote.
        version: Version of the broker.
    """
    document = json.loads(text)
    metadata = document["metadata"]
    del metadata["timestamp"]
    for tool in metadata["tools"]:
        tool.pop("version", None)
    component = metadata["component"]
    component["type"] = "application"
    component["version"] = version
    component["purl"] = f"pkg:pypi/{component['name']}@{version}"
    component["licenses"] = [{"license": {"id": "MIT"}}]
    document.pop("serialNumber")
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"
    return json.dumps(document, indent=2) + "\n"


def version_of(source: str) -> str:
    """
    Return the version that the package's source names: the one place where it stands.

    Raises:
        LookupError: it names none.
    """
    found = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if found is None:
        raise LookupError("the package names no version")
    return found[1]


if __name__ == "__main__":
    source = (ROOT / "broker" / "__init__.py").read_text(encoding="utf-8")
    print(finished(sys.stdin.read(), version_of(source)), end="")
